"""Outlines of field-v1 and the dots that fill them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.synth.blobs import bezier_contour, fill_polygon
from shared.synth.scene import Point

# As of dotblob-v1.
_POINTS = (5, 15)
_ANGLE_JITTER = 0.35  # of the angle between neighbours, either way
_RADIUS_FACTOR = (0.6, 1.3)  # of the base radius
_MARGIN_PX = 8.0
DOT_RADIUS_PX = (2.0, 6.0)
AMPLITUDE = (0.6, 1.0)

_ATTEMPTS = 200


@dataclass(frozen=True)
class Outline:
    """One shape: a closed contour through its control points, less a hole where `hole` is not 0."""

    control_points: tuple[Point, ...]  # (x, y) in pixels
    hole: float = 0.0  # size of the hole as a share of the outline's, about its centre


@dataclass(frozen=True, eq=False)
class Dots:
    """Centres (n, 2) of (x, y) and radii (n,) in pixels, and amplitudes (n,)."""

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    amplitudes: NDArray[np.float64]

    @classmethod
    def none(cls) -> "Dots":
        """Return no dot."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0))

    def joined(self, other: "Dots") -> "Dots":
        """Return both together."""
        return Dots(
            np.concatenate([self.centres, other.centres]),
            np.concatenate([self.radii, other.radii]),
            np.concatenate([self.amplitudes, other.amplitudes]),
        )


def blob(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    radius_px: tuple[float, float],
    aspect: float = 1.0,
    centre: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Draw the control points (n, 2) of a blob in an image of `shape` (height, width).

    Args:
        rng: drawn from.
        shape: of the image, px.
        radius_px: range of the base radius, px.
        aspect: how many times it is longer than wide.
        centre: (x, y) in pixels; None: anywhere that keeps the contour inside the image, where it fits at all.
    """
    n = int(rng.integers(*_POINTS, endpoint=True))
    angles = 2 * np.pi * (np.arange(n) + rng.uniform(-_ANGLE_JITTER, _ANGLE_JITTER, n)) / n
    radii = rng.uniform(*radius_px) * rng.uniform(*_RADIUS_FACTOR, n)
    points = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    if aspect != 1.0:
        points = points * [aspect**0.5, aspect**-0.5]
    turn = rng.uniform(0, 2 * np.pi)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if centre is not None:
        placed: NDArray[np.float64] = points + np.asarray(centre)
        return placed
    contour = bezier_contour(points)
    room = np.array([shape[1], shape[0]]) - 2 * _MARGIN_PX
    scale = min(1.0, float((room / np.ptp(contour, axis=0)).min()))
    low = _MARGIN_PX - scale * contour.min(axis=0)
    high = np.array([shape[1], shape[0]]) - _MARGIN_PX - scale * contour.max(axis=0)
    corner = low + rng.uniform(size=2) * np.maximum(high - low, 0.0)
    placed = scale * points + corner
    return placed.astype(np.float64, copy=False)


def outline_mask(outline: Outline, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill an outline, but for its hole: bool (height, width)."""
    contour = bezier_contour(np.asarray(outline.control_points, dtype=np.float64))
    mask = fill_polygon(contour, *shape)
    if outline.hole:
        centre = contour.mean(axis=0)
        mask &= ~fill_polygon(centre + outline.hole * (contour - centre), *shape)
    return mask


def union_mask(outlines: tuple[Outline, ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill all outlines: bool (height, width)."""
    mask = np.zeros(shape, dtype=np.bool_)
    for outline in outlines:
        mask |= outline_mask(outline, shape)
    return mask


def apart(
    rng: np.random.Generator, shape: tuple[int, int], count: int, *, radius_px: tuple[float, float], gap_px: float
) -> tuple[Outline, ...]:
    """Draw up to `count` blobs whose bounding circles are `gap_px` apart (less than 0: they may overlap)."""
    found: list[Outline] = []
    circles: list[tuple[NDArray[np.float64], float]] = []
    for _ in range(_ATTEMPTS):
        points = blob(rng, shape, radius_px=radius_px)
        centre = points.mean(axis=0)
        reach = float(np.hypot(*(points - centre).T).max())
        if all(np.hypot(*(centre - other)) >= reach + size + gap_px for other, size in circles):
            found.append(as_outline(points))
            circles.append((centre, reach))
            if len(found) == count:
                break
    return tuple(found)


def as_outline(points: NDArray[np.float64], hole: float = 0.0) -> Outline:
    """Return control points (n, 2) as an outline."""
    return Outline(tuple((float(x), float(y)) for x, y in points), hole)


def dots_in(
    rng: np.random.Generator,
    mask: NDArray[np.bool_],
    count: int,
    *,
    jitter_px: float,
    radius_px: tuple[float, float] = DOT_RADIUS_PX,
    amplitude: tuple[float, float] = AMPLITUDE,
) -> Dots:
    """Draw dots uniform over the mask, then moved by N(0, jitter_px²) along each axis."""
    inside = np.flatnonzero(mask)
    if not len(inside) or not count:
        return Dots.none()
    rows, columns = np.divmod(inside[rng.integers(len(inside), size=count)], mask.shape[1])
    centres = np.column_stack([columns, rows]) + rng.uniform(size=(count, 2))
    centres += jitter_px * rng.standard_normal((count, 2))
    return Dots(centres, rng.uniform(*radius_px, count), rng.uniform(*amplitude, count))
