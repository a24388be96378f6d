"""Closed organic contours: control points on a jittered circle, joined by cubic Béziers, filled to a mask.

Points are (x, y) in pixels; pixel (row r, column c) covers [c, c+1) × [r, r+1) and its centre is (c+½, r+½).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS_PER_CURVE = 24  # line segments that stand for one Bézier; the sagitta stays under 0.2 px at 512 px

_t = (np.arange(POINTS_PER_CURVE) / POINTS_PER_CURVE)[:, None]
_BERNSTEIN = np.hstack([(1 - _t) ** 3, 3 * _t * (1 - _t) ** 2, 3 * _t**2 * (1 - _t), _t**3])  # (points, 4)


@dataclass(frozen=True, kw_only=True)
class BlobOutline:
    """The numbers of a blob's outline; ranges are (low, high) of uniform draws."""

    control_points: tuple[int, int]  # both ends included
    angle_jitter: float  # of the angle between neighbours, either way
    base_radius: tuple[float, float]  # of the canvas side
    radius_factor: tuple[float, float]  # of the base radius, drawn for each control point


def sample_control_points(
    rng: np.random.Generator, size: int, outline: BlobOutline, margin_px: float
) -> NDArray[np.float64]:
    """Draw the control points of one blob, placed on a size × size canvas: (n, 2) of (x, y).

    The centre is uniform among the places that keep the whole contour `margin_px` inside the canvas; a
    contour that is too large for any place is scaled down until it just fits.
    """
    n = int(rng.integers(*outline.control_points, endpoint=True))
    angles = 2 * np.pi * (np.arange(n) + rng.uniform(-outline.angle_jitter, outline.angle_jitter, n)) / n
    radii = size * rng.uniform(*outline.base_radius) * rng.uniform(*outline.radius_factor, n)
    points = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])

    contour = bezier_contour(points)
    room = size - 2 * margin_px
    scale = min(1.0, room / np.ptp(contour, axis=0).max())
    low = margin_px - scale * contour.min(axis=0)
    high = size - margin_px - scale * contour.max(axis=0)
    centre = low + rng.uniform(size=2) * np.maximum(high - low, 0.0)
    placed: NDArray[np.float64] = scale * points + centre
    return placed


def bezier_contour(control_points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the closed C1 curve through the control points as a polygon: (n · POINTS_PER_CURVE, 2).

    Catmull-Rom tangents: the handles of point i lie at ± (p[i+1] − p[i−1]) / 6 from it, which makes
    neighbouring cubic Béziers share position and derivative.
    """
    following = np.roll(control_points, -1, axis=0)
    handles = (following - np.roll(control_points, 1, axis=0)) / 6
    beziers = np.stack(
        [control_points, control_points + handles, following - np.roll(handles, -1, axis=0), following],
        axis=1,
    )  # (n, 4, 2)
    return (_BERNSTEIN @ beziers).reshape(-1, 2)


def fill_polygon(polygon: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (height, width) of the pixels whose centre has a non-zero winding number.

    A scanline fill without a Python loop: every crossing of an edge with the line through a row's pixel
    centres adds ±1 from its column on, and a running sum along the row gives the winding number.
    """
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    # An edge crosses the rows whose centre lies in [lower, upper): half-open, so a shared vertex counts once.
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.intp)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.intp)
    crossings = last - first
    edge = np.repeat(np.arange(len(polygon)), crossings)
    within_edge = np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
    row = first[edge] + within_edge
    x = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)
    direction = np.where(y1 > y0, np.int8(1), np.int8(-1))[edge]

    winding = np.zeros((height, width + 1), dtype=np.int8)  # the last column takes crossings right of the canvas
    np.add.at(winding, (row, column), direction)
    np.cumsum(winding, axis=1, out=winding)
    inside: NDArray[np.bool_] = winding[:, :width] != 0
    return inside


def blob_mask(control_points: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Return the filled contour on a size × size canvas."""
    return fill_polygon(bezier_contour(control_points), size, size)


def is_accepted(mask: NDArray[np.bool_], area_share: tuple[float, float]) -> bool:
    """Tell whether the mask covers a share of the canvas within these bounds."""
    low, high = area_share
    return low <= float(np.count_nonzero(mask)) / mask.size <= high
