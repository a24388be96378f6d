"""The torch twin of `shared.synth.dotblob`: parameters drawn and images rendered in batches on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from shared.synth.dotblob import DotBlob, DotBlobScene
from training.data.synthesis.contours import blob_uniforms, fill_contours, place_blobs
from training.data.synthesis.draws import integer, uniform

_CANDIDATES = 4  # blobs, of which the first of an accepted size is taken
_SCENE = 4  # uniforms: number of dots, jitter, background, contrast
_DOT = 7  # uniforms: pixel, place in the pixel (2), displacement (2), radius, amplitude


@dataclass(frozen=True, eq=False)
class DotBlobBatch:
    """The parameters of N scenes on one device, float64. A dot that is not there has amplitude 0.

    There is room for the largest numbers of points and dots that the definition draws.
    """

    size: int
    control_points: Tensor  # (N, points, 2) of (x, y) in pixels
    point_counts: Tensor  # (N,)
    dot_centres: Tensor  # (N, dots, 2) of (x, y) in pixels
    dot_radii: Tensor  # (N, dots) in pixels
    dot_amplitudes: Tensor  # (N, dots)
    jitter: Tensor  # (N,)
    background: Tensor  # (N,)
    contrast: Tensor  # (N,)

    @classmethod
    def from_parameters(cls, scenes: Sequence[DotBlobScene], definition: DotBlob, device: torch.device) -> Self:
        """Return the reference's scenes, of one size and within the definition's numbers of points and dots."""
        points, dots = definition.control_points[1], definition.dots[1]

        def padded(rows: Sequence[Sequence[object]], shape: tuple[int, ...]) -> Tensor:
            table = np.zeros((len(rows), *shape))
            for line, row in zip(table, rows, strict=True):
                line[: len(row)] = row
            return torch.from_numpy(table).to(device)

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device)

        return cls(
            size=scenes[0].size,
            control_points=padded([s.control_points for s in scenes], (points, 2)),
            point_counts=torch.tensor([len(s.control_points) for s in scenes], device=device),
            dot_centres=padded([s.dot_centres for s in scenes], (dots, 2)),
            dot_radii=padded([s.dot_radii for s in scenes], (dots,)),
            dot_amplitudes=padded([s.dot_amplitudes for s in scenes], (dots,)),
            jitter=column([s.jitter for s in scenes]),
            background=column([s.background for s in scenes]),
            contrast=column([s.contrast for s in scenes]),
        )

    def own_noise(self, severity: float) -> list[None]:  # noqa: ARG002 - any noise fits a blob
        """See `SceneBatch`."""
        return [None] * len(self.background)

    def finish(self, images: Tensor) -> Tensor:
        """See `SceneBatch`; nothing comes after the noise."""
        return images

    def parameters(self) -> list[DotBlobScene]:
        """Return them as the reference's parameters, on the host."""
        scenes = []
        for i in range(len(self.background)):
            points = self.control_points[i, : self.point_counts[i]].tolist()
            dots = int((self.dot_amplitudes[i] > 0).sum())
            scenes.append(
                DotBlobScene(
                    size=self.size,
                    control_points=tuple((x, y) for x, y in points),
                    dot_centres=tuple((x, y) for x, y in self.dot_centres[i, :dots].tolist()),
                    dot_radii=tuple(self.dot_radii[i, :dots].tolist()),
                    dot_amplitudes=tuple(self.dot_amplitudes[i, :dots].tolist()),
                    jitter=self.jitter[i].item(),
                    background=self.background[i].item(),
                    contrast=self.contrast[i].item(),
                )
            )
        return scenes


def scene_uniforms(definition: DotBlob) -> int:
    """Return the number of uniforms that one scene is a function of."""
    return _CANDIDATES * blob_uniforms(definition) + _SCENE + definition.dots[1] * _DOT


def make_scenes(units: Tensor, definition: DotBlob, size: int) -> tuple[DotBlobBatch, Tensor, Tensor]:
    """Make the scenes of a batch from uniforms (N, scene_uniforms): parameters, clean images, masks (`SceneTwin`)."""
    scenes, masks = draw_scenes(units, definition, size)
    return scenes, render_clean(scenes, definition), masks


def draw_scenes(units: Tensor, definition: DotBlob, size: int) -> tuple[DotBlobBatch, Tensor]:
    """Draw scenes, and their masks, bool (N, size, size), which the dots' places are drawn from."""
    d = definition
    scene_at = _CANDIDATES * blob_uniforms(d)
    blobs, scene, dots = units.tensor_split([scene_at, scene_at + _SCENE], dim=1)
    points, point_counts = place_blobs(blobs.reshape(len(units), _CANDIDATES, -1), d, size)
    masks = fill_contours(points, point_counts, size)
    jitter = uniform(scene[:, 1], d.jitter)
    dots = dots.reshape(len(units), -1, _DOT)
    pixel, place, displacement = dots[..., 0], dots[..., 1:3], dots[..., 3:5]
    radius, amplitude = dots[..., 5], dots[..., 6]
    # Away from 0, where the quantile of the normal distribution is infinite.
    moved = (jitter * size)[:, None, None] * torch.special.ndtri(displacement.clamp(min=2.0**-53))
    is_there = torch.arange(d.dots[1], device=masks.device) < integer(scene[:, 0], d.dots)[:, None]
    scenes = DotBlobBatch(
        size=size,
        control_points=points,
        point_counts=point_counts,
        dot_centres=_pixels_inside(masks, pixel) + place + moved,
        dot_radii=uniform(radius, d.dot_radius_px),
        dot_amplitudes=uniform(amplitude, d.amplitude) * is_there,
        jitter=jitter,
        background=uniform(scene[:, 2], d.background),
        contrast=uniform(scene[:, 3], d.contrast),
    )
    return scenes, masks


def render_clean(scenes: DotBlobBatch, definition: DotBlob) -> Tensor:
    """Render clean images, float32 (N, size, size): b + c · max over the dots of amplitude × coverage."""
    size, centres = scenes.size, scenes.dot_centres
    # By the definition, since asking the drawn radii would wait for the device.
    reach = int(np.ceil(definition.dot_radius_px[1])) + 1
    window = torch.arange(-reach, reach + 1, device=centres.device)
    columns, rows = (centres.floor()[..., None] + window).unbind(2)  # (N, dots, window) each
    dx = columns + 0.5 - centres[..., :1]
    dy = rows + 0.5 - centres[..., 1:]
    distance = torch.sqrt(dx[:, :, None, :] ** 2 + dy[:, :, :, None] ** 2)  # (N, dots, window, window)
    coverage = (scenes.dot_radii[..., None, None] + 0.5 - distance).clamp(0.0, 1.0)
    values = (scenes.dot_amplitudes[..., None, None] * coverage).float()
    on_canvas = ((rows >= 0) & (rows < size))[..., None] & ((columns >= 0) & (columns < size))[:, :, None, :]
    place = torch.where(on_canvas, rows[..., None] * size + columns[:, :, None, :], 0.0).long()
    dots = torch.zeros(len(centres), size * size, device=centres.device)
    dots.scatter_reduce_(1, place.flatten(1), (values * on_canvas).flatten(1), "amax")
    clean = scenes.background.float()[:, None] + scenes.contrast.float()[:, None] * dots
    return clean.view(-1, size, size)


def _pixels_inside(masks: Tensor, unit: Tensor) -> Tensor:
    """Return the corners (x, y), float64 (N, dots, 2), of pixels uniform over each mask, from uniforms (N, dots)."""
    in_row = masks.sum(2)
    up_to_row = in_row.cumsum(1)
    chosen = (unit * up_to_row[:, -1:]).long()  # in the order of the mask's pixels
    row = torch.searchsorted(up_to_row, chosen, right=True)
    within_row = chosen - (up_to_row - in_row).gather(1, row)
    sample = torch.arange(len(masks), device=masks.device)[:, None]
    seen = masks[sample, row].cumsum(2, dtype=torch.int16)  # (N, dots, size)
    column = (seen <= within_row[..., None]).sum(2)
    return torch.stack([column, row], dim=2).double()
