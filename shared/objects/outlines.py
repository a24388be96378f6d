"""Outlines of objects along the edges of their pixels, which rasterise back to the very same mask.

Coordinates are (x, y) in pixels, (0, 0) at the top left corner of the image: the pixel in row r and column c covers x
from c to c + 1 and y from r to r + 1. Parts of an object that touch at a corner alone are polygons of their own, so
that no ring touches itself and each polygon is valid.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.objects.components import Contacts, components
from shared.objects.objects import OneObject
from shared.objects.runs import Runs

Point = tuple[int, int]
Ring = list[Point]
"""Corners without the first one again at the end. Outer rings have a positive area by the shoelace formula, as RFC 7946
wants them (anticlockwise, were y to point up); those of holes a negative one."""

# Which of the pixels around a corner are set: NW 1, NE 2, SW 4, SE 8. Sides go on where both of a pair are the same.
_NW, _NE, _SW, _SE = 1, 2, 4, 8
_DIAGONAL, _ANTIDIAGONAL = _NW | _SE, _NE | _SW
_IS_CORNER = np.array([code not in (0, 3, 5, 10, 12, 15) for code in range(16)])
# From a corner to a set pixel beside it, (rows, columns), by the code.
_PIXEL = np.array([(-1, -1) if code & _NW else (-1, 0) if code & _NE else (0, -1) if code & _SW else (0, 0)
                   for code in range(16)])  # fmt: skip


@dataclass
class Polygon:
    """An outer ring and the rings of its holes."""

    outer: Ring = field(default_factory=list)
    holes: list[Ring] = field(default_factory=list)

    @property
    def rings(self) -> list[Ring]:
        """The outer ring, then the holes."""
        return [self.outer, *self.holes]


def polygons_of(one: OneObject) -> list[Polygon]:
    """Return an object's outline: a polygon for each part whose pixels touch by their sides."""
    mask = one.mask()
    runs = Runs.of(mask)
    parts, owners = components(len(runs), Contacts.of(runs, 4))
    found: dict[int, Polygon] = defaultdict(Polygon)
    for ring, (row, column) in _rings(mask):
        run = int(np.searchsorted(runs.starts, row * runs.stride + column, "right")) - 1
        moved = [(x + one.box.left, y + one.box.top) for x, y in ring]
        polygon = found[int(owners[run])]
        if _doubled_area(ring) > 0:
            polygon.outer = moved
        else:
            polygon.holes.append(moved)
    return [found[part] for part in range(parts)]


def _rings(mask: NDArray[np.bool_]) -> Iterator[tuple[Ring, Point]]:
    """Yield rings that never touch themselves, each with the (row, column) of a pixel at its inner side.

    Along a line of the grid, the corners in order are the ends of straight stretches: the first and the second of one,
    the third and the fourth of the next. So each corner has one neighbour along its row and one along its column.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=np.uint8)
    padded[1:-1, 1:-1] = mask
    codes = padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    y, x = np.nonzero(_IS_CORNER[codes])
    code = codes[y, x]
    # Where two pixels touch at a corner alone, two corners lie: one of each pixel.
    twice = np.where((code == _DIAGONAL) | (code == _ANTIDIAGONAL), 2, 1)
    y, x, code = (np.repeat(each, twice) for each in (y, x, code))
    second = np.r_[False, (y[1:] == y[:-1]) & (x[1:] == x[:-1])]
    # In its row the first one goes left. In its column it goes up where its pixel is NW, down where it is SW.
    rising = np.where(code == _ANTIDIAGONAL, ~second, second)
    pixel = np.where((code == _DIAGONAL) & second, _SE, np.where((code == _ANTIDIAGONAL) & ~second, _SW, code))
    along_row = _partners(np.arange(len(y)))
    along_column = _partners(np.lexsort((rising, y, x)))
    inner = np.stack([y, x], axis=1) + _PIXEL[pixel]
    # A stretch to the right has the set pixels below it, where the ring is to go this way.
    below = (padded[y + 1, np.minimum(x + 1, padded.shape[1] - 1)] > 0) & ~((code == _ANTIDIAGONAL) & ~second)
    yield from _linked(y, x, along_row, along_column, below, inner)


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the other end of the stretch at each corner; `order` sorts the corners along their lines."""
    partners = np.empty_like(order)
    partners[order[::2]], partners[order[1::2]] = order[1::2], order[::2]
    return partners


def _linked(
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    along_row: NDArray[np.int64],
    along_column: NDArray[np.int64],
    below: NDArray[np.bool_],
    inner: NDArray[np.int64],
) -> Iterator[tuple[Ring, Point]]:
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    rows, columns = along_row.tolist(), along_column.tolist()
    left = [True] * len(points)
    for start in range(len(points)):
        if not left[start]:
            continue
        at = start
        ring: Ring = []
        while left[at]:
            across = rows[at]
            left[at] = left[across] = False
            ring += (points[at], points[across])
            at = columns[across]
        # `start` is the left end of its stretch: it comes first in its row.
        pixel = (int(inner[start][0]), int(inner[start][1]))
        yield from ((part, pixel) for part in _simple(ring if below[start] else ring[::-1]))


def _simple(ring: Ring) -> Iterator[Ring]:
    """Yield the ring in parts, none of which comes to a point twice."""
    if len(set(ring)) == len(ring):
        yield ring
        return
    walked: Ring = []
    at: dict[Point, int] = {}
    for point in ring:
        if point in at:
            begin = at[point]
            yield walked[begin:]
            for gone in walked[begin:]:
                del at[gone]
            del walked[begin:]
        at[point] = len(walked)
        walked.append(point)
    yield walked


def _doubled_area(ring: Ring) -> int:
    """Return twice the area, above 0 for outer rings."""
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(ring, ring[1:] + ring[:1], strict=True))
