"""The random numbers of a batch: every sample owns a row of uniforms, which depends on its seed alone.

Scenes are functions of these rows, so a sample does not depend on its batch, its position or the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STREAM = 3  # of a sample's seed; the reference uses 0 to 2


@dataclass(frozen=True, eq=False)
class Draws:
    """Uniforms in [0, 1), float64, first axis the samples."""

    scene: Tensor  # (N, scene uniforms), on the device
    noise: NDArray[np.float64]  # (N, noise uniforms)
    pixel_seeds: list[int]  # for the generators of the pixels' noise


def draw(seeds: Sequence[int], device: torch.device, scene_uniforms: int, noise_uniforms: int) -> Draws:
    """Draw the rows of these samples, so many uniforms for each one's scene and for its noise."""
    rows = np.empty((len(seeds), scene_uniforms + noise_uniforms))
    pixel_seeds = []
    for row, seed in zip(rows, seeds, strict=True):
        generator = np.random.default_rng((seed, _STREAM))
        generator.random(out=row)
        # A draw, since a torch generator on the CPU looks at the lowest 32 bits of its seed alone.
        pixel_seeds.append(int(generator.integers(2**32)))
    uniforms = torch.from_numpy(rows)
    if device.type == "cuda":
        uniforms = uniforms.pin_memory()
    scene = uniforms.to(device, non_blocking=True)[:, :scene_uniforms]
    return Draws(scene=scene, noise=rows[:, scene_uniforms:], pixel_seeds=pixel_seeds)


def uniform(unit: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Move uniforms in [0, 1) to [low, high)."""
    low, high = bounds
    return low + (high - low) * unit


def integer(unit: Tensor, bounds: tuple[int, int]) -> Tensor:
    """Turn uniforms in [0, 1) into whole numbers, int64, both bounds included."""
    low, high = bounds
    return low + (unit * (high - low + 1)).long()
