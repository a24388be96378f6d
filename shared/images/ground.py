"""The uneven ground of an image: measured on blocks of pixels, told from dots and noise, made smooth again.

A camera's light falls off, a slide glows in one place, a page is photographed askew. What such a thing adds to an
image is smooth over a hundred pixels, and neither a dot nor noise is. So the ground is what the pixels of a block of
32 × 32 agree on, dots left out. It is taken away only where it is uneven against the noise: a ground that is estimated
from pixels of much noise carries some of that noise, and nothing is gained by adding it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]

BLOCK = 32  # px
MIN_BLOCKS = 3  # either way, for an image to have a ground that is worth a look
STEP = 4  # a block's first look takes every fourth pixel either way
SUSPICION = 0.15  # deviation of the blocks, as a share of the noise and of the contrast, that earns a second look
MIN_UNEVENNESS = 0.18  # the same after that look, for the ground to be taken away
FINER = (16, 8)  # px; blocks for what a ground of the size before has left
MIN_FINER = 0.1  # share, as above, by which they must differ from it
CLIP = 2.5  # deviations of the noise, beyond which a pixel is not of the ground
MIN_GROUND = 0.25  # of a block's pixels, else its neighbours speak for it
MIN_OF_USUAL = 0.85  # of the share that most blocks have: where dots are dense there is less
TO_DEVIATION = 0.7413  # of a normal distribution's interquartile range
_PIXELS_AT_ONCE = 2**18
# Products this small are made by one thread: those of more wait for each other longer than they work.
_ROWS_AT_ONCE = 256
_POSITIONS_AT_ONCE = 64


class Source(Protocol):
    """An image that is read in windows: a `shared.images.large.PixelFile`, or an array in `InMemory`."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Return those pixels, NaN where a pixel is no part of the image."""
        ...


@dataclass(frozen=True)
class Blocks:
    """Where the blocks of an image lie: as many as cover it, evenly spread, the last ends with the image."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    height: int  # px of a block, and its width
    width: int

    @classmethod
    def of(cls, height: int, width: int, side: int = BLOCK) -> Self:
        """Lay out those of an image of this size."""
        return cls(_starts(height, side), _starts(width, side), min(side, height), min(side, width))

    @property
    def centres(self) -> tuple[Grid, Grid]:
        """Row and column, in pixels from the image's first pixel's centre."""
        rows, columns = self.rows.astype(np.float64), self.columns.astype(np.float64)
        return rows + (self.height - 1) / 2, columns + (self.width - 1) / 2


@dataclass(frozen=True)
class FirstLook:
    """What some pixels of each block say: a level, and what the noise and the contrast of the image are."""

    levels: Grid  # mean of the pixels between the third and the fifth octile, NaN where a block has no pixels
    noise: float
    contrast: float

    @classmethod
    def at(cls, source: Source, blocks: Blocks) -> Self:
        """One pass over the image, some rows at a time."""
        looks = [_look(window, blocks, rows) for _, rows, window in _strips(source, blocks)]
        levels, spreads, sums = (np.concatenate(parts) for parts in zip(*looks, strict=True))
        count, total, squares = sums.sum(axis=0)
        known = spreads[~np.isnan(spreads)]
        if not known.size:
            return cls(levels, 0.0, 0.0)
        variance = max(squares / count - (total / count) ** 2, 0.0)
        return cls(levels, float(np.median(known)) * TO_DEVIATION, float(np.sqrt(variance)))

    def unevenness(self, levels: Grid) -> float:
        """The deviation of these levels, as a share of the noise's or of all pixels', whichever is larger."""
        scale = max(self.noise, self.contrast)
        return float(levels.std()) / scale if scale else 0.0


@dataclass(frozen=True, eq=False)
class Ground:
    """A ground, known at the blocks' centres and smooth between them."""

    levels: Grid
    centres: tuple[Grid, Grid]

    @classmethod
    def measured(cls, source: Source) -> Self | None:
        """The ground of an image where it is uneven, None where it is even enough to be left."""
        blocks = Blocks.of(source.height, source.width)
        if min(len(blocks.rows), len(blocks.columns)) < MIN_BLOCKS:
            return None
        look = FirstLook.at(source, blocks)
        if np.isnan(look.levels).all():
            return None
        ground = cls(_median_of_neighbours(_filled(look.levels)), blocks.centres)
        if look.unevenness(ground.levels) < SUSPICION:
            return None
        for _ in range(2):
            closer = ground._seen_closer(source, blocks, look.noise)
            if closer is None:
                return None
            ground = closer
        if look.unevenness(ground.levels) < MIN_UNEVENNESS:
            return None
        for side in FINER:
            finer = ground._seen_closer(source, Blocks.of(source.height, source.width, side), look.noise)
            if finer is None or look.unevenness(finer.levels - ground._at(*finer.centres)) < MIN_FINER:
                break
            ground = finer
        return ground

    def window(self, row: int, column: int, height: int, width: int) -> Grid:
        """The ground under those pixels, in the image's units."""
        return self._at(np.arange(row, row + height), np.arange(column, column + width))

    def _at(self, rows: NDArray[Any], columns: NDArray[Any]) -> Grid:
        down = np.concatenate([weights @ self.levels[part] for part, weights in _weights(rows, self.centres[0])])
        across = list(_weights(columns, self.centres[1]))
        under = np.empty((len(rows), len(columns)))
        for row in range(0, len(rows), _ROWS_AT_ONCE):
            some = down[row : row + _ROWS_AT_ONCE]
            parts = [some[:, part] @ weights.T for part, weights in across]
            np.concatenate(parts, axis=1, out=under[row : row + _ROWS_AT_ONCE])
        return under

    def _seen_closer(self, source: Source, blocks: Blocks, noise: float) -> Self | None:
        """A ground from all pixels that lie within the noise of this one; None where they are too few in any block."""
        levels = _refined(source, blocks, self, noise)
        return None if np.isnan(levels).all() else type(self)(_median_of_neighbours(_filled(levels)), blocks.centres)


def _starts(length: int, side: int) -> NDArray[np.intp]:
    count = -(-length // side)
    return np.rint(np.linspace(0, max(length - side, 0), count)).astype(np.intp)


def _strips(source: Source, blocks: Blocks) -> Iterator[tuple[int, NDArray[np.intp], NDArray[Any]]]:
    """Yield where a window begins, where in it some rows of blocks begin, and the window."""
    at_once = max(_PIXELS_AT_ONCE // (blocks.height * source.width), 1)
    for first in range(0, len(blocks.rows), at_once):
        starts = blocks.rows[first : first + at_once]
        top, bottom = int(starts[0]), int(starts[-1]) + blocks.height
        yield top, starts - top, source.window(top, 0, bottom - top, source.width)


def _look(window: NDArray[Any], blocks: Blocks, rows: NDArray[np.intp]) -> tuple[Grid, Grid, Grid]:
    """Levels and interquartile ranges of some blocks, and count, sum and sum of squares of each."""
    down, across = (np.arange(STEP // 2, length, STEP) for length in (blocks.height, blocks.width))
    # Rows first: they lie together in memory.
    pixels = window[(rows[:, None] + down).ravel()].take((blocks.columns[:, None] + across).ravel(), axis=1)
    pixels = pixels.astype(np.float64 if pixels.dtype.kind == "f" else np.float32)
    pixels = pixels.reshape(len(rows), len(down), len(blocks.columns), len(across)).swapaxes(1, 2)
    ordered = np.sort(pixels.reshape(len(rows), len(blocks.columns), -1), axis=2)
    if ordered.dtype == np.float64 and np.isnan(ordered[..., -1]).any():
        return _look_at_some(ordered)
    count = ordered.shape[2]
    levels = ordered[..., 3 * count // 8 : -(-5 * count // 8)].mean(axis=2, dtype=np.float64)
    spreads = (ordered[..., 3 * count // 4] - ordered[..., count // 4]).astype(np.float64)
    flat = ordered.reshape(-1, count)
    sums = np.stack(
        [np.full(len(flat), float(count)), flat.sum(axis=1), np.einsum("ij,ij->i", flat, flat)], axis=1
    ).astype(np.float64)
    return levels, spreads, sums


def _look_at_some(ordered: Grid) -> tuple[Grid, Grid, Grid]:
    """`_look` where some pixels are NaN, which sorting has put last."""
    counts = np.count_nonzero(~np.isnan(ordered), axis=2)
    ranks = np.arange(ordered.shape[2])
    middle = (ranks >= (3 * counts // 8)[..., None]) & (ranks < -(-5 * counts // 8)[..., None])
    sizes = middle.sum(axis=2)
    levels = np.where(middle, np.nan_to_num(ordered), 0.0).sum(axis=2) / np.maximum(sizes, 1)
    quartiles = [np.take_along_axis(ordered, (share * counts // 4)[..., None], 2)[..., 0] for share in (1, 3)]
    enough = counts >= MIN_GROUND * ordered.shape[2]
    known = np.nan_to_num(ordered).reshape(-1, ordered.shape[2])
    sums = np.stack([counts.reshape(-1), known.sum(axis=1), np.square(known).sum(axis=1)], axis=1).astype(np.float64)
    return np.where(enough, levels, np.nan), np.where(enough, quartiles[1] - quartiles[0], np.nan), sums


def _refined(source: Source, blocks: Blocks, ground: Ground, noise: float) -> Grid:
    """The blocks' mean over all their pixels that lie within the noise of the ground so far; NaN where they are few."""
    reach = CLIP * noise + 0.25 * float(ground.levels.std())
    means, shares = [], []
    for top, rows, window in _strips(source, blocks):
        rest = (window - ground.window(top, 0, *window.shape)).astype(np.float32)
        kept = np.abs(rest) <= reach  # NaN is not
        rest[~kept] = 0.0
        counts, sums = (_block_sums(part, blocks, rows) for part in (kept, rest))
        means.append(sums / np.maximum(counts, 1))
        shares.append(counts / (blocks.height * blocks.width))
    share = np.concatenate(shares)
    # Where dots are dense, what lies within the noise is partly theirs.
    is_ground = share >= max(MIN_GROUND, MIN_OF_USUAL * float(np.percentile(share, 75)))
    levels: Grid = np.where(is_ground, ground._at(*blocks.centres) + np.concatenate(means), np.nan)
    return levels


def _block_sums(window: NDArray[Any], blocks: Blocks, rows: NDArray[np.intp]) -> Grid:
    strips = window[(rows[:, None] + np.arange(blocks.height)).ravel()].reshape(len(rows), blocks.height, -1)
    running = np.zeros((len(rows), window.shape[1] + 1))
    np.cumsum(strips.sum(axis=1), axis=1, out=running[:, 1:])
    sums: Grid = running[:, blocks.columns + blocks.width] - running[:, blocks.columns]
    return sums


def _filled(levels: Grid) -> Grid:
    """NaN replaced by the mean of neighbours that are known, from the known ones outwards; one at least is known."""
    levels = levels.copy()
    while (unknown := np.isnan(levels)).any():
        around = np.stack(_neighbours(np.pad(levels, 1, constant_values=np.nan)))
        counts = np.count_nonzero(~np.isnan(around), axis=0)
        means = np.nansum(around, axis=0) / np.maximum(counts, 1)
        levels[unknown] = np.where(counts > 0, means, np.nan)[unknown]
    return levels


def _median_of_neighbours(levels: Grid) -> Grid:
    medians: Grid = np.sort(np.stack(_neighbours(_with_beyond(_with_beyond(levels).T).T)), axis=0)[4]
    return medians


def _with_beyond(levels: Grid) -> Grid:
    """A row more above and below, which goes on as the outermost two do: the median of a slope is the slope."""
    return np.concatenate([2 * levels[:1] - levels[1:2], levels, 2 * levels[-1:] - levels[-2:-1]])


def _neighbours(padded: Grid) -> list[Grid]:
    height, width = padded.shape
    return [padded[row : height - 2 + row, column : width - 2 + column] for row in range(3) for column in range(3)]


def _weights(positions: NDArray[Any], centres: Grid) -> Iterator[tuple[slice, Grid]]:
    """Yield for some positions at a time the blocks around them, and their weights at each."""
    for start in range(0, len(positions), _POSITIONS_AT_ONCE):
        some = positions[start : start + _POSITIONS_AT_ONCE]
        low, high = np.searchsorted(centres, some[[0, -1]])
        part = slice(max(low - 3, 0), high + 3)
        yield part, interpolation(some, centres[part])


def interpolation(positions: NDArray[Any], centres: Grid) -> Grid:
    """Weights of the blocks at each position, (positions, blocks): cubic between two centres, straight beyond them."""
    count = len(centres)
    left = np.clip(np.searchsorted(centres, positions, side="right") - 1, 0, count - 2)
    t = (positions - centres[left]) / (centres[left + 1] - centres[left])
    inside = np.clip(t, 0, 1)
    cubic = np.stack(  # Catmull–Rom
        [
            ((-inside + 2) * inside - 1) * inside / 2,
            ((3 * inside - 5) * inside) * inside / 2 + 1,
            ((-3 * inside + 4) * inside + 1) * inside / 2,
            ((inside - 1) * inside) * inside / 2,
        ]
    )
    cubic[1] -= t - inside
    cubic[2] += t - inside
    padded = np.zeros((len(positions), count + 2))
    at = np.arange(len(positions))
    for offset in range(4):
        padded[at, left + offset] += cubic[offset]
    weights = padded[:, 1:-1]
    weights[:, 0] += 2 * padded[:, 0]  # a block beyond the first and the last goes on as they do
    weights[:, 1] -= padded[:, 0]
    weights[:, -1] += 2 * padded[:, -1]
    weights[:, -2] -= padded[:, -1]
    return weights
