"""The random numbers of a batch: every sample owns a row of uniforms, which depends on its seed alone.

Scenes are functions of these rows, so a sample does not depend on its batch, its position or the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.synth import DOTBLOB_V1

CANDIDATES = 4  # blobs, of which the first of an accepted size is taken
POINT_SLOTS = DOTBLOB_V1.control_points[1]
DOT_SLOTS = DOTBLOB_V1.dots[1]

_BLOB = 4 + 2 * POINT_SLOTS  # number of points, base radius, centre (2); an angle and a radius for each point
_SCENE = 4  # number of dots, jitter, background, contrast
_DOT = 7  # pixel, place in the pixel (2), displacement (2), radius, amplitude
NOISE_DRAWS = 3 + 2 * len(DOTBLOB_V1.mixed_order)
_PER_SAMPLE = CANDIDATES * _BLOB + _SCENE + DOT_SLOTS * _DOT + NOISE_DRAWS

_STREAM = 3  # of a sample's seed; the reference uses 0 to 2


@dataclass(frozen=True, eq=False)
class Draws:
    """Uniforms in [0, 1), float64, first axis the samples."""

    blobs: Tensor  # (N, CANDIDATES, _BLOB), on the device
    scene: Tensor  # (N, _SCENE), on the device
    dots: Tensor  # (N, DOT_SLOTS, _DOT), on the device
    noise: NDArray[np.float64]  # (N, NOISE_DRAWS)
    pixel_seeds: list[int]  # for the generators of the pixels' noise


def draw(seeds: Sequence[int], device: torch.device) -> Draws:
    """The rows of these samples."""
    rows = np.empty((len(seeds), _PER_SAMPLE))
    pixel_seeds = []
    for row, seed in zip(rows, seeds, strict=True):
        generator = np.random.default_rng((seed, _STREAM))
        generator.random(out=row)
        # A draw, since a torch generator on the CPU looks at the lowest 32 bits of its seed alone.
        pixel_seeds.append(int(generator.integers(2**32)))
    noise = rows[:, -NOISE_DRAWS:]
    uniforms = torch.from_numpy(rows)
    if device.type == "cuda":
        uniforms = uniforms.pin_memory()
    uniforms = uniforms.to(device, non_blocking=True)
    scene_at, dots_at = CANDIDATES * _BLOB, CANDIDATES * _BLOB + _SCENE
    return Draws(
        blobs=uniforms[:, :scene_at].reshape(-1, CANDIDATES, _BLOB),
        scene=uniforms[:, scene_at:dots_at],
        dots=uniforms[:, dots_at:-NOISE_DRAWS].reshape(-1, DOT_SLOTS, _DOT),
        noise=noise,
        pixel_seeds=pixel_seeds,
    )


def uniform(unit: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Uniforms in [0, 1) moved to [low, high)."""
    low, high = bounds
    return low + (high - low) * unit


def integer(unit: Tensor, bounds: tuple[int, int]) -> Tensor:
    """Uniforms in [0, 1) to whole numbers, int64, both bounds included."""
    low, high = bounds
    return low + (unit * (high - low + 1)).long()
