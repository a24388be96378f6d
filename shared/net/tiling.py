"""Cut an image of any size into overlapping tiles, and blend their results together again.

What the network says of a pixel depends on some 500 pixels around it. So an image goes through it whole up to 1024
pixels a side, and a larger one in tiles of that side, each of which sees more than a shape or two: docs/large-images.md
has the figures. Tiles have one of a few sides, so that those of many images share a batch: one of three, for a model
that was trained on samples of 512 px, and of more where those were smaller.

An image smaller than its tile is padded equally on both sides, with more of its own ground (`shared.images.padding`).
Neighbours overlap by at least the overlap asked for; across it their results are cross-faded, which hides the seams
that different context would leave.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.padding import Padding, pad_with_ground

TILE_SIZE = 512  # px; the size that the shipped network is trained on, and the unit of a batch's size
TILE_SIDES = (TILE_SIZE, 768, 1024)  # px; the first that covers an image's side is taken, else the last
_SIDES = (64, 128, 192, 256, 384, *TILE_SIDES)  # px, of models that were trained on smaller samples
TILE_OVERLAP = 256  # px; less than half of the largest


Padded = Callable[[NDArray[Any], Padding], NDArray[Any]]


@dataclass(frozen=True)
class TilePlan:
    """Where the tiles of a height × width image lie. Build it with `plan_tiles`.

    `row_starts` and `column_starts` are offsets in the padded image; tile k is at row k // len(column_starts).
    """

    height: int
    width: int
    tile: tuple[int, int]  # height, width
    overlap: int
    row_padding: tuple[int, int]  # above, below
    column_padding: tuple[int, int]  # left, right
    row_starts: tuple[int, ...]
    column_starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.row_starts) * len(self.column_starts)

    def start(self, index: int) -> tuple[int, int]:
        """Return row and column of the tile's first pixel in the padded image."""
        row, column = divmod(index, len(self.column_starts))
        return self.row_starts[row], self.column_starts[column]


def plan_tiles(height: int, width: int, sides: tuple[int, ...] = TILE_SIDES, overlap: int = TILE_OVERLAP) -> TilePlan:
    """Plan the fewest tiles that cover the image and overlap by at least `overlap` pixels.

    Along each axis a tile's side is the first of `sides` (rising) that covers the image, or the last. All tiles but the
    last of an axis start at multiples of that side less the overlap, and with both multiples of 64 on the network's
    own grid.

    Raises:
        ValueError: the image has no pixels, or the overlap leaves no step from tile to tile.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height}×{width} has no pixels")
    if not 0 <= overlap < sides[-1]:
        raise ValueError(f"an overlap of {overlap} px: use 0 to {sides[-1] - 1}")
    tile = _side(height, sides), _side(width, sides)
    return TilePlan(
        height=height,
        width=width,
        tile=tile,
        overlap=overlap,
        row_padding=_padding(height, tile[0]),
        column_padding=_padding(width, tile[1]),
        row_starts=_starts(max(height, tile[0]), tile[0], overlap),
        column_starts=_starts(max(width, tile[1]), tile[1], overlap),
    )


def sides_from(smallest: int) -> tuple[int, ...]:
    """Return the sides of the tiles of a model whose smallest one has this side, rising; `TILE_SIDES` from 512."""
    return (smallest, *(side for side in _SIDES if side > smallest))


def cut(image: NDArray[Any], plan: TilePlan) -> NDArray[Any]:
    """Return the tiles of an image in the plan's order: (len(plan), *plan.tile), of channels (len(plan), C, …)."""
    return np.stack(list(iterate_tiles(image, plan)))


def iterate_tiles(image: NDArray[Any], plan: TilePlan, padded: Padded = pad_with_ground) -> Iterator[NDArray[Any]]:
    """Yield the tiles of an image, H×W or C×H×W, one by one, in the plan's order, without copying them.

    Raises:
        ValueError: the image has another shape than the plan.
    """
    if image.shape[-2:] != (plan.height, plan.width):
        raise ValueError(f"the plan is for {plan.height}×{plan.width}, the image has shape {image.shape}")
    whole = padded(image, (plan.row_padding, plan.column_padding))
    for index in range(len(plan)):
        row, column = plan.start(index)
        yield whole[..., row : row + plan.tile[0], column : column + plan.tile[1]]


class Stitcher:
    """Collects the results of a plan's tiles, in any order, each once; `result` blends them."""

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        self._canvas: NDArray[Any] = np.zeros(0, dtype=np.float32)
        if len(plan) > 1:
            self._rows = weights(plan.row_starts, plan.tile[0])
            self._columns = weights(plan.column_starts, plan.tile[1])
            shape = (plan.height + sum(plan.row_padding), plan.width + sum(plan.column_padding))
            self._canvas = np.zeros(shape, dtype=np.float32)

    def add(self, index: int, tile: NDArray[Any]) -> None:
        """Add the result, of the plan's tile size, of the index-th tile."""
        if len(self.plan) == 1:  # most images: there is nothing to blend
            self._canvas = tile
            return
        tile_row, tile_column = divmod(index, len(self.plan.column_starts))
        row, column = self.plan.start(index)
        weight = np.multiply.outer(self._rows[tile_row], self._columns[tile_column])
        self._canvas[row : row + self.plan.tile[0], column : column + self.plan.tile[1]] += weight * tile

    def result(self) -> NDArray[Any]:
        """Return the blended image (height, width) once all tiles were added: float32, or the only tile's type."""
        top, left = self.plan.row_padding[0], self.plan.column_padding[0]
        return self._canvas[top : top + self.plan.height, left : left + self.plan.width]


def stitch(tiles: Iterable[NDArray[Any]], plan: TilePlan) -> NDArray[np.float32]:
    """Blend all tiles, given in the plan's order: (height, width), in the tiles' own units."""
    stitcher = Stitcher(plan)
    for index, tile in enumerate(tiles):
        stitcher.add(index, tile)
    return stitcher.result()


def _side(length: int, sides: tuple[int, ...]) -> int:
    return next((side for side in sides if side >= length), sides[-1])


def _padding(length: int, tile: int) -> tuple[int, int]:
    missing = max(tile - length, 0)
    return missing // 2, missing - missing // 2


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    if length == tile:
        return (0,)
    return (*range(0, length - tile, tile - overlap), length - tile)


def weights(starts: tuple[int, ...], tile: int) -> NDArray[np.float32]:
    """Return the weight of every position of every tile along one axis, (tiles, tile); they add up to 1 at each pixel.

    A tile's own weight is a Hann window: most at its centre, which sees most around it.
    """
    window = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(starts[-1] + tile)
    for start in starts:
        total[start : start + tile] += window
    return np.stack([window / total[start : start + tile] for start in starts]).astype(np.float32)
