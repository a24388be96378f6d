"""Blobs in batches: control points from uniforms, Bézier contours, filled masks. See `shared.synth.blobs`.

Control points are float64 (N, points, 2) of (x, y) in pixels; `counts` (N,) says how many of them a blob has.
Nothing here waits for the device.
"""

import math

import torch
from torch import Tensor

from shared.synth.blobs import POINTS_PER_CURVE, BlobOutline
from shared.synth.dotblob import DotBlob
from training.data.synthesis.draws import integer, uniform

_STEEPEST = 1.75  # rise of a blob's curve, per unit of its parameter, as a share of the control points' extent


_BLOB = 4  # uniforms: number of points, base radius, centre (2); and an angle and a radius for each point


def blob_uniforms(outline: BlobOutline) -> int:
    """Return the number of uniforms that one blob is a function of."""
    return _BLOB + 2 * outline.control_points[1]


def place_blobs(units: Tensor, definition: DotBlob, size: int) -> tuple[Tensor, Tensor]:
    """Take the control points and counts of the first candidate of an accepted area.

    `units` are uniforms (N, candidates, blob_uniforms).

    The area is the contour's (shoelace), which tells a blob's fate before it is filled; the reference counts pixels.
    A blob is drawn again once in several thousand, so four candidates are never all refused in practice.
    """
    candidates = units.shape[1]
    points, counts = _candidates(units.flatten(0, 1), definition, size)
    x, y = bezier_contours(points, counts).unbind(-1)
    area = (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1).abs() / (2 * size * size)
    low, high = definition.area_share
    accepted = ((area >= low) & (area <= high)).view(-1, candidates)
    chosen = accepted.int().argmax(1)  # the first, where there are several
    chosen += candidates * torch.arange(len(chosen), device=units.device)
    return points[chosen], counts[chosen]


def _candidates(units: Tensor, definition: DotBlob, size: int) -> tuple[Tensor, Tensor]:
    d, slots = definition, definition.control_points[1]
    counts = integer(units[:, 0], d.control_points)
    base = size * uniform(units[:, 1], d.base_radius)
    angle_units, radius_units = units[:, _BLOB : _BLOB + slots], units[:, _BLOB + slots :]
    index = torch.arange(slots, device=units.device)
    jitter = uniform(angle_units, (-d.angle_jitter, d.angle_jitter))
    angles = 2 * math.pi * (index + jitter) / counts[:, None]
    radii = base[:, None] * uniform(radius_units, d.radius_factor)
    points = radii[..., None] * torch.stack([angles.cos(), angles.sin()], dim=-1)

    contour = bezier_contours(points, counts)
    lowest, highest = contour.amin(1), contour.amax(1)
    room = size - 2 * d.margin_px
    scale = (room / (highest - lowest).amax(1)).clamp(max=1.0)[:, None]
    low = d.margin_px - scale * lowest
    high = size - d.margin_px - scale * highest
    centre = low + units[:, 2:4] * (high - low).clamp(min=0.0)
    return scale[..., None] * points + centre[:, None], counts


def bezier_contours(points: Tensor, counts: Tensor) -> Tensor:
    """Return the closed curves as polygons (N, points · POINTS_PER_CURVE, 2); shorter ones end in their first point."""
    index = torch.arange(points.shape[1], device=points.device)
    within = index < counts[:, None]
    following = _at(points, torch.where(index + 1 < counts[:, None], index + 1, 0))
    preceding = _at(points, torch.where(index > 0, index - 1, counts[:, None] - 1))
    handles = (following - preceding) / 6
    handles_after = _at(handles, torch.where(index + 1 < counts[:, None], index + 1, 0))
    curves = torch.stack([points, points + handles, following - handles_after, following], dim=2)  # (N, points, 4, 2)
    t = torch.arange(POINTS_PER_CURVE, dtype=points.dtype, device=points.device)[:, None] / POINTS_PER_CURVE
    bernstein = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], dim=1)
    polygon = torch.where(within[..., None, None], bernstein @ curves, points[:, :1, None])
    return polygon.flatten(1, 2)


def fill_contours(points: Tensor, counts: Tensor, size: int) -> Tensor:
    """Fill masks, bool (N, size, size), as the reference does: pixels whose centre has a non-zero winding number."""
    x0, y0 = bezier_contours(points, counts).unbind(-1)
    x1, y1 = x0.roll(-1, 1), y0.roll(-1, 1)
    # An edge crosses the rows whose centre lies in [lower, upper): half-open, so a shared vertex counts once.
    first = torch.ceil(torch.minimum(y0, y1) - 0.5).clamp(0, size)
    last = torch.ceil(torch.maximum(y0, y1) - 0.5).clamp(0, size)
    row = first[..., None] + torch.arange(most_rows_of_an_edge(size), device=points.device)  # (N, edges, rows)
    crosses = row < last[..., None]
    height = torch.where(y1 == y0, 1.0, y1 - y0)[..., None]
    x = x0[..., None] + (row + 0.5 - y0[..., None]) * (x1 - x0)[..., None] / height
    column = torch.ceil(x - 0.5).clamp(0, size)
    sample = torch.arange(len(points), device=points.device)[:, None, None]
    # The last column takes the crossings right of the canvas.
    place = torch.where(crosses, (sample * size + row) * (size + 1) + column, 0.0).long()
    direction = torch.where(y1 > y0, 1, -1)[..., None] * crosses

    winding = torch.zeros(len(points) * size * (size + 1), dtype=torch.int8, device=points.device)
    winding.scatter_add_(0, place.flatten(), direction.to(torch.int8).flatten())
    winding = winding.view(len(points), size, size + 1).cumsum(2, dtype=torch.int8)
    return winding[:, :, :size] != 0


def most_rows_of_an_edge(size: int) -> int:
    """Return a bound on the rows that one edge of a contour on the canvas crosses.

    With tangents of half the chord between a point's neighbours, a Hermite curve's derivative is at most
    1.5 D + 0.5 · D / 2, where D is the control points' extent; an edge is 1/24 of the parameter.
    """
    return math.ceil(_STEEPEST * size / POINTS_PER_CURVE) + 1


def _at(points: Tensor, index: Tensor) -> Tensor:
    """Return points[n, index[n, i]]: (N, K, 2)."""
    return points.gather(1, index[..., None].expand(-1, -1, 2))
