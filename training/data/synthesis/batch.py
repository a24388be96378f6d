"""A batch of samples from their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.synth import Definition, NoiseParameters
from training.data.preparation import prepare_images
from training.data.synthesis.draws import draw
from training.data.synthesis.noise import apply_noise, draw_noise, noise_uniforms
from training.data.synthesis.twins import SceneBatch, scene_twin

_AT_ONCE_ON_A_CPU = 8  # samples; their buffers stay in its cache


@dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """N samples on one device and the parameters that they are made of."""

    images: Tensor  # float32 (N, size, size), whole numbers from 0 to 255
    clean: Tensor  # float32 (N, size, size), in [0, 1]
    masks: Tensor  # bool (N, size, size)
    scenes: SceneBatch
    noise: list[NoiseParameters]


def synthesise_batch(
    seeds: Sequence[int],
    device: torch.device,
    definition: Definition,
    *,
    size: int | None = None,
    severity: float = 1.0,
    mixed_prob: float | None = None,
    clean_share: float = 0.0,
) -> SyntheticBatch:
    """Make the samples of these seeds. A sample depends on its seed and these arguments alone, not on its batch.

    A CPU makes the same bits every time; so does a GPU of one kind. Between the two, scenes agree up to rounding and
    the pixels' noise differs.

    Args:
        seeds: one for each sample.
        device: where the batch is made and stays.
        definition: of the task.
        size: side in pixels; None: the definition's.
        severity: scales the noise, in [0, 1].
        mixed_prob: share of mixtures among the noises; None: the definition's.
        clean_share: of the samples without noise.

    Raises:
        UsageError: the definition's scenes cannot be made in batches.
    """
    twin = scene_twin(definition)
    with torch.inference_mode(False), torch.no_grad():
        draws = draw(seeds, device, twin.uniforms(definition), noise_uniforms(definition))
        scenes, clean, masks = twin.make(draws.scene, definition, definition.canvas_px if size is None else size)
        drawn = draw_noise(draws.noise, definition, severity, mixed_prob, clean_share)
        noise = [own or other for own, other in zip(scenes.own_noise(severity), drawn, strict=True)]
        images = scenes.finish(apply_noise(clean, noise, draws.pixel_seeds))
    return SyntheticBatch(images, clean, masks, scenes, noise)


def training_pairs(
    seeds: Sequence[int],
    device: torch.device,
    definition: Definition,
    *,
    size: int | None = None,
    severity: float = 1.0,
    mixed_prob: float | None = None,
    clean_share: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Make the prepared images and the masks of these seeds, both float32 (N, 1, size, size).

    The arguments are those of `synthesise_batch`.
    """
    side = definition.canvas_px if size is None else size
    images, masks = (torch.empty(len(seeds), 1, side, side, device=device) for _ in range(2))
    at_once = _AT_ONCE_ON_A_CPU if device.type == "cpu" else len(seeds)
    for start in range(0, len(seeds), at_once):
        part = slice(start, start + at_once)
        made = synthesise_batch(
            seeds[part],
            device,
            definition,
            size=side,
            severity=severity,
            mixed_prob=mixed_prob,
            clean_share=clean_share,
        )
        images[part, 0] = prepare_images(made.images)
        masks[part, 0] = made.masks.float()
    return images, masks
