"""A mask as the runs of its rows: few numbers, from which all else about its objects follows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError

Int = NDArray[np.int64]

MAX_RUNS = 4_000_000
"""Runs of a mask whose objects are told apart: 220 bytes of memory each while measured. Noise alone has more."""

_BAND_PIXELS = 1 << 22


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of set pixels of an H×W mask, in order, as positions in its rows laid end to end.

    Each row is followed by one pixel that is never set, so that no run goes on in the next row: the pixel at (y, x) is
    at y · (W + 1) + x.
    """

    height: int
    width: int
    starts: Int  # first pixel
    stops: Int  # the pixel after the last

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        """Find the runs of a whole mask H×W, or of a band of one."""
        height, width = mask.shape
        padded = np.zeros(1 + height * (width + 1), dtype=np.bool_)
        padded[1:].reshape(height, width + 1)[:, :width] = mask
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        return cls(height, width, edges[::2], edges[1::2])

    @classmethod
    def of_bands(cls, bands: Iterable[NDArray[np.bool_]]) -> Self:
        """Find the runs of a mask that comes in bands of rows.

        Raises:
            UsageError: there are more than `MAX_RUNS`.
        """
        nothing = np.zeros(0, dtype=np.int64)
        starts, stops, height, width, count = [nothing], [nothing], 0, 0, 0
        for band in bands:
            runs = cls.of(band)
            width = runs.width
            count += len(runs)
            if count > MAX_RUNS:
                raise UsageError("the mask is too ragged to tell its objects apart: segment with --smooth")
            starts.append(runs.starts + height * runs.stride)
            stops.append(runs.stops + height * runs.stride)
            height += runs.height
        return cls(height, width, np.concatenate(starts), np.concatenate(stops))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def stride(self) -> int:
        """Positions from one row to the next."""
        return self.width + 1

    @property
    def lengths(self) -> Int:
        """Pixels of each run."""
        return self.stops - self.starts

    @property
    def rows(self) -> Int:
        """Row of each run."""
        return self.starts // self.stride

    def chosen(self, which: NDArray[np.bool_]) -> "Runs":
        """Return these runs alone."""
        return Runs(self.height, self.width, self.starts[which], self.stops[which])

    def background(self) -> "Runs":
        """Return the runs of the pixels that are not set."""
        firsts = np.arange(self.height, dtype=np.int64) * self.stride
        starts = np.sort(np.concatenate([firsts, self.stops]))
        stops = np.sort(np.concatenate([firsts + self.width, self.starts]))
        filled = starts < stops
        return Runs(self.height, self.width, starts[filled], stops[filled])

    def joined(self, others: "Runs") -> "Runs":
        """Return the runs of all pixels that are set in one of the two masks, none of which is in both."""
        starts = np.sort(np.concatenate([self.starts, others.starts]))
        stops = np.sort(np.concatenate([self.stops, others.stops]))
        apart = starts[1:] != stops[:-1]  # where one ends as the next begins they are one
        first, last = np.ones(len(starts), dtype=np.bool_), np.ones(len(stops), dtype=np.bool_)
        first[1:], last[:-1] = apart, apart
        return Runs(self.height, self.width, starts[first], stops[last])

    def painted(self, top: int, bottom: int, values: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """Return rows `top` to `bottom` as (rows, W) int32: each run's value, or 1; 0 elsewhere."""
        low = top * self.stride
        first, last = np.searchsorted(self.starts, [low, bottom * self.stride])
        canvas = np.zeros((bottom - top) * self.stride + 1, dtype=np.int32)
        value = np.ones(last - first, dtype=np.int32) if values is None else values[first:last]
        # What is added where a run begins is taken away where it ends.
        canvas[self.starts[first:last] - low] = value
        canvas[self.stops[first:last] - low] -= value
        return np.cumsum(canvas[:-1], dtype=np.int32).reshape(bottom - top, self.stride)[:, : self.width]

    def masks(self) -> Iterator[NDArray[np.bool_]]:
        """Yield the mask in bands of rows."""
        rows = max(_BAND_PIXELS // self.stride, 1)
        for top in range(0, self.height, rows):
            yield self.painted(top, min(top + rows, self.height)).astype(np.bool_)

    def mask(self) -> NDArray[np.bool_]:
        """Return the mask as a whole."""
        return np.concatenate(list(self.masks()))
