"""Parts of an image in a resolution to choose: planes of whole numbers, for whoever draws them.

A plane is reduced by averaging squares of `step` pixels; at the right and lower edge they may be smaller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shared.images.ground import Source
from shared.images.preparation import InMemory

MAX_SIDE = 2048
"""The longest side of a region that is given, in its own samples."""
_PIXELS_AT_ONCE = 2**22
_BINS = 256


class Raster(Source, Protocol):
    """Pixels of a grey image that can be read in windows, of a known type."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' type: uint8, uint16 or float32, as in the file."""
        ...


class Held(InMemory):
    """An image that is held as a whole."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' type, as in the file."""
        return self.pixels.dtype


@dataclass(frozen=True)
class Region:
    """A window of an image, in its pixels, and how many of them make a sample to each side."""

    row: int
    column: int
    height: int
    width: int
    step: int

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """Return all of an image, as coarse as it has to be; the step is a power of two."""
        step = 1
        while max(height, width) > MAX_SIDE * step:
            step *= 2
        return cls(0, 0, height, width, step)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of samples."""
        return -(-self.height // self.step), -(-self.width // self.step)


def bands(raster: Raster) -> Iterator[NDArray[Any]]:
    """Yield all rows from the top, some at a time."""
    rows = max(1, _PIXELS_AT_ONCE // raster.width)
    for row in range(0, raster.height, rows):
        yield raster.window(row, 0, min(rows, raster.height - row), raster.width)


def reduced(raster: Raster, region: Region) -> NDArray[np.float32]:
    """Return the averages of a region, in rows and columns of samples; NaN where there is no data."""
    if region.step == 1:
        return raster.window(region.row, region.column, region.height, region.width).astype(np.float32, copy=False)
    rows = max(1, _PIXELS_AT_ONCE // (region.width * region.step)) * region.step
    parts = []
    for row in range(0, region.height, rows):
        height = min(rows, region.height - row)
        parts.append(_averaged(raster.window(region.row + row, region.column, height, region.width), region.step))
    return np.concatenate(parts)


def _averaged(pixels: NDArray[Any], step: int) -> NDArray[np.float32]:
    height, width = pixels.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    sums = np.add.reduceat(np.add.reduceat(pixels, columns, axis=1, dtype=np.float32), rows, axis=0)
    heights, widths = np.diff(np.append(rows, height)), np.diff(np.append(columns, width))
    return np.asarray(sums / (heights[:, None] * widths[None, :]), dtype=np.float32)


@dataclass(frozen=True)
class Intensities:
    """The scale of a source: which values its samples stand for, and where most of them lie.

    A sample is a whole number from 0 to `most`, and stands for `low + sample * unit`.
    """

    low: float
    unit: float
    most: int  # 255 or 65535
    first: int  # the smallest sample there is
    last: int  # the largest
    black: int  # as shown at first, like the pictures elsewhere
    white: int
    histogram: list[int]  # of equal parts from `first` to `last`

    @classmethod
    def of(cls, raster: Raster, percentiles: tuple[float, float]) -> Self:
        """Look at all rows of a source, or at enough of a large one's."""
        every = max(1, raster.height * raster.width // _PIXELS_AT_ONCE)
        looks = [np.asarray(band[::every]) for band in bands(raster)]
        sample = np.concatenate([look[np.isfinite(look)] for look in looks]) if looks else np.zeros(1)
        if not sample.size:
            sample = np.zeros(1, dtype=np.float32)
        low, unit, most = 0.0, 1.0, 65535 if raster.dtype == np.uint16 else 255
        if raster.dtype.kind == "f":
            low, most = float(sample.min()), 65535
            unit = (float(sample.max()) - low) / most or 1.0
        made = cls(low, unit, most, 0, most, 0, most, [])
        codes = made.samples(sample)
        first, last = int(codes.min()), int(codes.max())
        black, white = (int(value) for value in np.rint(np.percentile(codes, percentiles)))
        if black == white:
            black, white = first, last
        counts = np.histogram(codes, bins=_BINS, range=(first, max(last, first + 1)))[0]
        return cls(low, unit, most, first, last, black, white, counts.tolist())

    def samples(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as samples; no data as the smallest."""
        dtype = np.uint8 if self.most == 255 else np.uint16
        if values.dtype == dtype:
            return values
        codes = (np.asarray(values, dtype=np.float64) - self.low) / self.unit
        return np.clip(np.rint(np.nan_to_num(codes, nan=0.0)), 0, self.most).astype(dtype)


def levels_of(probability: Raster, truth: Raster | None) -> tuple[list[int], list[int] | None]:
    """Count the pixels of each level of a probability map, 256 of them: in all, and inside the truth."""
    counts, inside = np.zeros(_BINS, dtype=np.int64), np.zeros(_BINS, dtype=np.int64)
    rows = max(1, _PIXELS_AT_ONCE // probability.width)
    for row in range(0, probability.height, rows):
        part = (row, 0, min(rows, probability.height - row), probability.width)
        levels = np.asarray(probability.window(*part)).astype(np.uint8)
        counts += np.bincount(levels.ravel(), minlength=_BINS)
        if truth is not None:
            inside += np.bincount(levels[truth.window(*part) > 0], minlength=_BINS)
    return counts.tolist(), None if truth is None else inside.tolist()
