"""What surrounds an image without being part of it: margins, frames, the corners of a turned scan, a round aperture.

All of these have exactly one value. So has the ground of an image without noise, or of one that is saturated, and that
is part of the image. The two are told apart by what lies inside: within a frame the value is rare, and the frame's
inner edge is straight, or round; within a saturated ground lies the same ground.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.images.ground import Source

MIN_INSIDE = 0.25  # of the image; what leaves less is not a frame
_MAX_VALUE = 0.8  # of the pixels, which a frame's value can be: more is the ground's
_SAMPLED_ROWS = 16
_CORNER = (2, 32)  # px either way that have one value where there is a frame
_MAX_VALUES = 4  # frames in frames, or sides of different values
_MAX_ON_EDGE = 0.5  # of the pixels along a frame's inner edge that have its value by chance
_MAX_WITHIN = 0.25  # of the pixels within a round or slanting frame
_MIN_WITHIN = 0.4  # of the image
_MAX_ROUGHNESS = 0.5  # px from row to row, beyond what a convex outline has
_MIN_STEP = 0.02  # of the image's range, from a frame's value to what is beside it; an even slope has no such step
_TOUCHES = 0.02  # of a side
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Frame:
    """Where an image lies within its frame: in a box, and in some columns of each of the box's rows."""

    top: int
    left: int
    first: NDArray[np.intp]  # column in the box, for each of its rows
    end: NDArray[np.intp]
    width: int  # of the box

    @property
    def height(self) -> int:
        """Rows of the box."""
        return len(self.first)

    @property
    def pixels(self) -> int:
        """How many are the image's."""
        return int((self.end - self.first).sum())

    @property
    def is_box(self) -> bool:
        """Whether all of the box is the image's."""
        return self.pixels == self.height * self.width

    @classmethod
    def around(cls, source: Source) -> Self | None:
        """The frame of an image, None where it has none."""
        frame = whole = cls._of_box(0, 0, source.height, source.width)
        for _ in range(_MAX_VALUES):
            found = next(filter(None, (frame._narrowed(source, value) for value in frame._corner_values(source))), None)
            if found is None:
                break
            frame = found
            if not frame.is_box:
                break
        if frame is whole or frame.pixels < MIN_INSIDE * source.height * source.width:
            return None
        return frame

    def inside(self, row: int, column: int, height: int, width: int) -> NDArray[np.bool_]:
        """Which of these pixels of the framed picture are the image's."""
        rows = np.arange(row, row + height) - self.top
        columns = np.arange(column, column + width) - self.left
        at = np.clip(rows, 0, self.height - 1)
        in_row = (columns >= self.first[at, None]) & (columns < self.end[at, None])
        inside: NDArray[np.bool_] = in_row & (rows == at)[:, None]
        return inside

    @classmethod
    def _of_box(cls, top: int, left: int, height: int, width: int) -> Self:
        return cls(top, left, np.zeros(height, dtype=np.intp), np.full(height, width, dtype=np.intp), width)

    def _corner_values(self, source: Source) -> list[Any]:
        """The values that a corner of the box is made of."""
        thin, long = _CORNER
        if min(self.height, self.width) < long:
            return []
        values = []
        for top in (self.top, self.top + self.height - long):
            for left in (self.left, self.left + self.width - long):
                corner = source.window(top, left, long, long)
                if top > self.top:
                    corner = corner[::-1]
                if left > self.left:
                    corner = corner[:, ::-1]
                value = corner[0, 0]
                if (corner[:thin] == value).all() or (corner[:, :thin] == value).all():
                    values.append(value)
        return list(dict.fromkeys(values))

    def _narrowed(self, source: Source, value: Any) -> Self | None:
        """The frame that this value makes within the box."""
        if self._share(source, value) > _MAX_VALUE:
            return None
        traces = _Traces.of(self._strips(source), value, self.width)
        rows, columns = (np.flatnonzero(line < 1) for line in (traces.in_rows, traces.in_columns))
        if not rows.size:
            return None
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        if (bottom - top, right - left) != (self.height, self.width):
            box = self._of_box(self.top + top, self.left + left, bottom - top, right - left)
            if traces.has_straight_edges(top, bottom, left, right):
                return box if self._steps(source, box, float(value)) > _MIN_STEP * traces.span else None
        return self._with_sides(traces, top, bottom, left, right)

    def _steps(self, source: Source, box: Self, value: float) -> float:
        """By how much the least different of the box's sides differs from the value around them, on average."""
        bottom, right = box.top + box.height - 1, box.left + box.width - 1
        lines = [
            *(
                (row, box.left, 1, box.width)
                for row, outer in ((box.top, self.top), (bottom, self.top + self.height - 1))
                if row != outer
            ),
            *(
                (box.top, at, box.height, 1)
                for at, outer in ((box.left, self.left), (right, self.left + self.width - 1))
                if at != outer
            ),
        ]
        return min(abs(float(np.nanmean(source.window(*line), dtype=np.float64)) - value) for line in lines)

    def _share(self, source: Source, value: Any) -> float:
        """How many of the box's pixels have this value, going by some rows."""
        rows = np.linspace(0, self.height - 1, _SAMPLED_ROWS).astype(int)
        lines = (source.window(self.top + int(row), self.left, 1, self.width) for row in rows)
        return sum(np.count_nonzero(line == value) for line in lines) / (_SAMPLED_ROWS * self.width)

    def _with_sides(self, traces: "_Traces", top: int, bottom: int, left: int, right: int) -> Self | None:
        """A frame that is no box: in each row the image lies between the first and the last other value."""
        first, end = traces.first[top:bottom] - left, traces.end[top:bottom] - left
        within = int((end - first).sum())
        outside = self.width * self.height - within
        if within < _MIN_WITHIN * self.width * self.height or not outside:
            return None
        chance = (traces.count - outside) / within
        fills = bottom - top >= (1 - _TOUCHES) * self.height or right - left >= (1 - _TOUCHES) * self.width
        is_round = max(_roughness(first), _roughness(end)) <= _MAX_ROUGHNESS
        if chance > _MAX_WITHIN or not fills or not is_round or traces.step <= _MIN_STEP * traces.span:
            return None
        return type(self)(self.top + top, self.left + left, first, end, right - left)

    def _strips(self, source: Source) -> Iterator[NDArray[Any]]:
        for row in range(0, self.height, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, self.height - row)
            yield source.window(self.top + row, self.left, rows, self.width)


@dataclass(frozen=True, eq=False)
class _Traces:
    """Where one value is: its share of each row and column, and the first and the end of what is not it in each row."""

    in_rows: NDArray[np.float64]
    in_columns: NDArray[np.float64]
    first: NDArray[np.intp]
    end: NDArray[np.intp]
    count: int
    span: float  # from the lowest to the highest pixel
    step: float  # from the value to the first that is not it, on average

    @classmethod
    def of(cls, strips: Iterator[NDArray[Any]], value: Any, width: int) -> Self:
        in_rows, first, end, height = [], [], [], 0
        edges, low, high = [], np.inf, -np.inf
        in_columns = np.zeros(width, dtype=np.int64)
        for strip in strips:
            other = strip != value
            others = np.count_nonzero(other, axis=1)
            in_rows.append(width - others)
            in_columns += len(strip) - np.count_nonzero(other, axis=0)
            first.append(other.argmax(axis=1))
            end.append(np.where(others, width - other[:, ::-1].argmax(axis=1), 0))
            height += len(strip)
            at = np.arange(len(strip)), first[-1]
            edges.append(strip[at][first[-1] > 0])
            at = np.arange(len(strip)), end[-1] - 1
            edges.append(strip[at][(end[-1] > 0) & (end[-1] < width)])
            low, high = np.fmin(low, np.fmin.reduce(strip, axis=None)), np.fmax(high, np.fmax.reduce(strip, axis=None))
        edge = np.concatenate(edges).astype(np.float64)
        step = float(np.nanmean(np.abs(edge - float(value)))) if edge.size else 0.0
        rows = np.concatenate(in_rows)
        shares = rows / width, in_columns / height
        span = float(high) - float(low)
        return cls(*shares, np.concatenate(first), np.concatenate(end), int(rows.sum()), span, step)

    def has_straight_edges(self, top: int, bottom: int, left: int, right: int) -> bool:
        """Whether the value is rare along the inside of every side that is all of it."""
        height, width = len(self.in_rows), len(self.in_columns)
        beside, above = 1 - (right - left) / width, 1 - (bottom - top) / height
        edges = [
            *(
                (self.in_rows[row] - beside) / (1 - beside)
                for row, side in ((top, top), (bottom - 1, height - bottom))
                if side
            ),
            *(
                (self.in_columns[at] - above) / (1 - above)
                for at, side in ((left, left), (right - 1, width - right))
                if side
            ),
        ]
        return bool(max(edges) < _MAX_ON_EDGE)


def _roughness(edge: NDArray[np.intp]) -> float:
    """How much more an edge goes to and fro than one of a convex shape, px a row."""
    travelled = float(np.abs(np.diff(edge)).sum())
    return (travelled - 2 * float(np.ptp(edge))) / len(edge)
