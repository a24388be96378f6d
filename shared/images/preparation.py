"""From a decoded image to what the network is given: frame left out, uneven ground taken away, standardised.

An image that has neither a frame nor an uneven ground becomes what `shared.images.normalise.standardise` makes of it,
bit by bit. What is measured of an image (`Preparation.of`) reads it in windows and fits any size; what any window
becomes is the same whether it is prepared alone or with the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels
from shared.images.frame import Frame
from shared.images.ground import Ground, Source
from shared.images.moments import Moments
from shared.images.normalise import standardise

PREPARATION_VERSION = "standardise-v2"
"""Stored with every result and every checkpoint; a change of what `prepare` does is a new version."""

_ROWS_AT_ONCE = 256
_MIN_REST = 1e-4  # of the deviation that an image had, below which what flattening leaves is its rounding


@dataclass(frozen=True, eq=False)
class InMemory:
    """An array as a `Source`."""

    pixels: NDArray[Any]  # H×W, or C×H×W

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[-2])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[-1])

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """A view of those pixels."""
        return self.pixels[..., row : row + height, column : column + width]


@dataclass(frozen=True, eq=False)
class Preparation:
    """What was found out about an image, with which any of its windows can be prepared."""

    shape: tuple[int, int]
    frame: Frame | None
    ground: Ground | None  # of what lies in the frame's box
    moments: Moments  # of what lies in the frame, above its ground
    framed: float  # share of the pixels that are left out

    @classmethod
    def of(cls, source: Source) -> Self:
        """Measure an image: a pass for its ground, one for its moments, and more only where frame or ground ask for it.

        Args:
            source: H×W, in any units, finite; float32 may have NaN where a pixel is to be left out.
        """
        return cls._of(source, *_surroundings(source))

    @classmethod
    def _of(cls, source: Source, frame: Frame | None, ground: Ground | None) -> Self:
        inside = _inside(source, frame)
        moments, count = _moments(inside, ground)
        if ground is not None and moments.deviation <= _MIN_REST * _moments(inside, None)[0].deviation:
            moments = Moments(moments.mean, 0.0)
        framed = 1 - count / (source.height * source.width)
        return cls((source.height, source.width), frame, ground, moments, framed)

    @property
    def constant(self) -> bool:
        """Whether all pixels that are not left out have one value: nothing is there to be segmented."""
        return self.moments.deviation == 0

    @property
    def description(self) -> str:
        """What was done, as a result's provenance tells it: "standardise-v2, frame left out, ground flattened"."""
        return _described(self.framed, self.ground is not None)

    def window(self, pixels: NDArray[Any], row: int, column: int) -> NDArray[np.float32]:
        """Prepare a window of the image: exact zeros where pixels are left out.

        Args:
            pixels: those of the window, as the image has them.
            row: where it begins in the image.
            column: likewise.
        """
        if self.constant:
            return np.zeros(pixels.shape, dtype=np.float32)
        rest = pixels.astype(np.float64)
        if self.ground is not None:
            top, left = (self.frame.top, self.frame.left) if self.frame else (0, 0)
            rest -= self.ground.window(row - top, column - left, *pixels.shape)
        rest -= self.moments.mean
        rest /= self.moments.deviation
        if self.frame is not None:
            rest[~self.frame.inside(row, column, *pixels.shape)] = 0.0
        if pixels.dtype.kind == "f":
            rest[np.isnan(pixels)] = 0.0
        return rest.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image as the network gets it, and what was done to it."""

    image: NDArray[
        np.float32
    ]  # H×W, or C×H×W; zero mean and unit variance over what is not left out, which is exactly 0
    flattened: bool  # whether an uneven ground was taken away
    framed: float  # share of the pixels that are left out
    constant: bool  # all of one value: there is nothing to ask the network

    @property
    def description(self) -> str:
        """What was done, see `Preparation.description`."""
        return _described(self.framed, self.flattened)


def prepare(pixels: Pixels, *, excluded: NDArray[np.bool_] | None = None) -> Prepared:
    """Prepare an image that is held as a whole.

    The result is the same for `pixels` and for `gain · pixels + offset` (gain > 0), up to rounding; of several channels
    each is prepared by itself, so that this holds for every gain and offset that one has.

    Args:
        pixels: H×W or C×H×W, uint8, uint16 or float32, any units; what is NaN or infinite is left out.
        excluded: H×W, True where the file says that there is no data.
    """
    if pixels.ndim == 3:
        planes = [prepare(plane, excluded=excluded) for plane in pixels]
        return Prepared(
            np.stack([each.image for each in planes]),
            flattened=any(each.flattened for each in planes),
            framed=max(each.framed for each in planes),
            constant=all(each.constant for each in planes),
        )
    known = _known(pixels, excluded)
    source = InMemory(known)
    frame, ground = _surroundings(source)
    if known is pixels and frame is None and ground is None:
        image = standardise(pixels)
        return Prepared(image, flattened=False, framed=0.0, constant=not image[0, 0] and not image.any())
    measured = Preparation._of(source, frame, ground)
    image = np.empty(known.shape, dtype=np.float32)
    for row in range(0, len(image), _ROWS_AT_ONCE):
        rows = slice(row, row + _ROWS_AT_ONCE)
        image[rows] = measured.window(known[rows], row, 0)
    return Prepared(image, ground is not None, measured.framed, measured.constant)


@dataclass(frozen=True, eq=False)
class _Inside:
    """What lies within a frame, as a `Source`: its box, NaN where the box is not the image's."""

    source: Source
    frame: Frame

    @property
    def height(self) -> int:
        return self.frame.height

    @property
    def width(self) -> int:
        return self.frame.width

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        top, left = self.frame.top + row, self.frame.left + column
        pixels = self.source.window(top, left, height, width)
        if self.frame.is_box:
            return pixels
        return np.where(self.frame.inside(top, left, height, width), pixels.astype(np.float32), np.float32(np.nan))


def _known(pixels: Pixels, excluded: NDArray[np.bool_] | None) -> Pixels:
    """The pixels themselves, or as float32 with NaN for those to be left out."""
    left_out = excluded if excluded is not None and excluded.any() else None
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        left_out = ~np.isfinite(pixels) if left_out is None else left_out | ~np.isfinite(pixels)
    if left_out is None:
        return pixels
    return np.where(left_out, np.float32(np.nan), pixels.astype(np.float32))


def _surroundings(source: Source) -> tuple[Frame | None, Ground | None]:
    frame = Frame.around(source)
    return frame, Ground.measured(_inside(source, frame))


def _inside(source: Source, frame: Frame | None) -> Source:
    return source if frame is None else _Inside(source, frame)


def _moments(source: Source, ground: Ground | None) -> tuple[Moments, int]:
    """Measure all known pixels, above their ground, and count them."""
    count = 0

    def known() -> Iterator[NDArray[Any]]:
        nonlocal count
        for row in range(0, source.height, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, source.height - row)
            pixels = source.window(row, 0, rows, source.width)
            if ground is not None:
                pixels = pixels - ground.window(row, 0, rows, source.width)
            if pixels.dtype.kind == "f":
                pixels = pixels[~np.isnan(pixels)]
            count += pixels.size
            if pixels.size:
                yield pixels

    return Moments.of(known()), count


def _described(framed: float, flattened: bool) -> str:
    done = [name for name, was in (("frame left out", framed > 0), ("ground flattened", flattened)) if was]
    return ", ".join([PREPARATION_VERSION, *done])
