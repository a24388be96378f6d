"""Shapes of objects: sizes, places and forms, from the runs of a mask and their contacts.

Coordinates are those of pixels' centres, (0, 0) at the centre of the top left one; lengths are in pixels, or in µm
where a pixel's size is given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.objects.components import Contacts
from shared.objects.hull import hull_areas
from shared.objects.runs import Int, Runs
from shared.pixel_size import PixelSize

Floats = NDArray[np.float64]

PIXEL = PixelSize(1.0, 1.0)
"""Measures in pixels."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """What is measured of each object of a mask, one value for each object in every array."""

    area: Int  # pixels
    run_counts: Int
    edges: tuple[Int, Int, Int, Int]  # left, top, and the column and row after the last
    x: Floats  # centroid
    y: Floats
    holes: Int
    solidity: Floats  # area / area of the convex hull of the pixels as squares
    touches_border: NDArray[np.bool_]
    _central: tuple[Floats, Floats, Floats]  # mean of (x − x̄)², (x − x̄)(y − ȳ) and (y − ȳ)²
    _crossings: tuple[Int | Floats, ...]  # entries along rows, columns and both diagonals

    def perimeter(self, pixel: PixelSize = PIXEL) -> Floats:
        """Return the length of all outlines, those of holes too, by Crofton's formula in four directions.

        The lines of a direction lie side by side at a distance, and each direction stands for the angles that are
        nearest to it: with square pixels a quarter each, as `skimage.measure.perimeter_crofton` has it.
        """
        across = np.arctan2(pixel.y, pixel.x)  # of the diagonal
        angles = across, np.pi / 2 - across, np.pi / 4, np.pi / 4
        diagonals = pixel.area / pixel.diagonal
        distances = pixel.y, pixel.x, diagonals, diagonals
        total: Floats = np.zeros(len(self.area))
        for entries, angle, distance in zip(self._crossings, angles, distances, strict=True):
            total += entries * angle * distance
        return total

    def axes(self, pixel: PixelSize = PIXEL) -> tuple[Floats, Floats]:
        """Return the full major and minor axes of the ellipse with the same second moments."""
        xx, xy, yy = self._central
        xx, xy, yy = xx * pixel.x**2, xy * pixel.area, yy * pixel.y**2
        middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))

    def eccentricity(self, pixel: PixelSize = PIXEL) -> Floats:
        """Return that of the same ellipse: 0 for a circle, towards 1 for a line; 0 for a single pixel."""
        major, minor = self.axes(pixel)
        ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
        root: Floats = np.sqrt(1 - ratio**2)
        return root


def shapes(runs: Runs, contacts: Contacts, owners: NDArray[np.int32], count: int) -> Shapes:
    """Measure the objects of a mask.

    Args:
        runs: of the mask.
        contacts: of the runs.
        owners: the object of each run, from 0.
        count: of objects.
    """
    rows, firsts, lengths = runs.rows, runs.starts % runs.stride, runs.lengths
    lasts = firsts + lengths
    area = _sums(owners, lengths, count).astype(np.int64)  # exact below 2**53
    run_counts = np.bincount(owners, minlength=count).astype(np.int64)
    middles = (firsts + lasts - 1) / 2
    x, y = _sums(owners, lengths * middles, count) / area, _sums(owners, lengths * rows, count) / area
    dx, dy = middles - x[owners], rows - y[owners]
    central = (
        _sums(owners, lengths * (dx**2 + (lengths**2 - 1) / 12), count) / area,
        _sums(owners, lengths * dx * dy, count) / area,
        _sums(owners, lengths * dy**2, count) / area,
    )
    edges = _edges(owners, rows, firsts, lasts, count)
    left, top, right, bottom = edges
    contact_owners = owners[contacts.upper]
    entered = [area - _sums(contact_owners, _shared(runs, contacts, step), count) for step in (0, 1, -1)]
    return Shapes(
        area=area,
        run_counts=run_counts,
        edges=edges,
        x=x,
        y=y,
        # Runs are the vertices of a graph that is as connected as the object, their contacts its edges.
        holes=1 - run_counts + np.bincount(contact_owners, minlength=count),
        solidity=area / _hulls(owners, rows, firsts, lasts, count),
        touches_border=(left == 0) | (top == 0) | (right == runs.width) | (bottom == runs.height),
        _central=central,
        _crossings=(run_counts, *entered),
    )


def _sums(owners: NDArray[np.int32], values: Int | Floats, count: int) -> Floats:
    return np.asarray(np.bincount(owners, weights=values, minlength=count), dtype=np.float64)


def _edges(owners: NDArray[np.int32], rows: Int, firsts: Int, lasts: Int, count: int) -> tuple[Int, Int, Int, Int]:
    left, top = (np.full(count, np.iinfo(np.int64).max) for _ in range(2))
    right, bottom = (np.zeros(count, dtype=np.int64) for _ in range(2))
    np.minimum.at(left, owners, firsts)
    np.minimum.at(top, owners, rows)
    np.maximum.at(right, owners, lasts)
    np.maximum.at(bottom, owners, rows + 1)
    return left, top, right, bottom


def _shared(runs: Runs, contacts: Contacts, step: int) -> Int:
    """How many pixels of the upper run of each contact have one of the lower run below, `step` columns on."""
    move = runs.stride + step
    first = np.maximum(runs.starts[contacts.upper] + move, runs.starts[contacts.lower])
    last = np.minimum(runs.stops[contacts.upper] + move, runs.stops[contacts.lower])
    shared: Int = np.maximum(last - first, 0)
    return shared


def _hulls(owners: NDArray[np.int32], rows: Int, firsts: Int, lasts: Int, count: int) -> Floats:
    order = np.lexsort((rows, owners))
    owner, row = owners[order].astype(np.int64), rows[order]
    begins = np.flatnonzero(np.r_[True, (owner[1:] != owner[:-1]) | (row[1:] != row[:-1])][: len(order)])
    if not len(begins):
        return np.zeros(0)
    outermost = np.minimum.reduceat(firsts[order], begins), np.maximum.reduceat(lasts[order], begins)
    return hull_areas(owner[begins], row[begins], *outermost, count)
