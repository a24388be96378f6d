"""The twin of `shared.synth.field`: scenes drawn on the host as the reference draws them, rendered on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shared.synth import NoiseParameters
from shared.synth.field import Field, FieldScene


@dataclass(frozen=True, eq=False)
class FieldBatch:
    """The parameters of N scenes, on the host."""

    scenes: Sequence[FieldScene]

    def parameters(self) -> Sequence[FieldScene]:
        """See `SceneBatch`."""
        return self.scenes

    def own_noise(self, severity: float) -> list[NoiseParameters | None]:
        """See `SceneBatch`."""
        return [scene.own_noise(severity) for scene in self.scenes]

    def finish(self, images: Tensor) -> Tensor:
        """See `SceneBatch`."""
        for image, scene in zip(images, self.scenes, strict=True):
            if scene.levels:
                finished = scene.finish(image.to("cpu", torch.uint8).numpy())
                image.copy_(torch.from_numpy(finished.copy()))
        return images


def scene_uniforms(_definition: Field) -> int:
    """Return the number of uniforms that one scene is a function of: its seed."""
    return 1


def make_scenes(units: Tensor, definition: Field, size: int) -> tuple[FieldBatch, Tensor, Tensor]:
    """Make the scenes of a batch from uniforms (N, 1): parameters, images before their noise, masks (`SceneTwin`)."""
    seeds = [int(unit * 2**53) for unit in units[:, 0].tolist()]
    scenes = [definition.sample_scene(np.random.default_rng(seed), size=size) for seed in seeds]
    rendered = [scene.render() for scene in scenes]
    clean = torch.from_numpy(np.stack([each.clean for each in rendered]))
    masks = torch.from_numpy(np.stack([each.mask for each in rendered]))
    return FieldBatch(scenes), clean.to(units.device), masks.to(units.device)
