"""One synthetic sample from one seed: what the worker generates, training learns and evaluation scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.definition import DOTBLOB_V1
from shared.synth.noise import NoiseParameters, apply_noise, sample_noise
from shared.synth.scene import SceneParameters, render_scene, sample_scene


@dataclass(frozen=True, eq=False)
class Sample:
    """A noisy image, the clean image under it, its truth, and the parameters of both."""

    image: NDArray[np.uint8]  # (size, size)
    clean: NDArray[np.float32]  # (size, size), in [0, 1]
    mask: NDArray[np.bool_]  # (size, size), True inside the blob
    scene: SceneParameters
    noise: NoiseParameters


def synthesise(
    seed: int,
    *,
    size: int = DOTBLOB_V1.canvas_px,
    num_dots: int | None = None,
    jitter: float | None = None,
    severity: float = 0.5,
    noise: str | NoiseParameters | None = None,
    mixed_prob: float = DOTBLOB_V1.mixed_prob,
) -> Sample:
    """The sample that these arguments name: the same arguments give the same arrays.

    The scene depends on `seed`, `size`, `num_dots` and `jitter` alone, so one seed shows one scene under
    every noise. `noise` is a name of NOISE_KINDS, or parameters already chosen, or None to draw the kind as the
    benchmark does. `severity` is in [0, 1]; `jitter` is the dots' displacement as a share of the side. Raises
    `UsageError` for a value out of range.
    """
    if seed < 0:
        raise UsageError(f"the seed is {seed}: use a number from 0 up")
    for_scene, for_noise, for_pixels = (np.random.default_rng((seed, stream)) for stream in range(3))
    scene = sample_scene(for_scene, size=size, num_dots=num_dots, jitter=jitter)
    if not isinstance(noise, NoiseParameters):
        noise = sample_noise(for_noise, severity, mixed_prob, noise)
    rendered = render_scene(scene)
    image = apply_noise(rendered.clean, noise, for_pixels)
    return Sample(image, rendered.clean, rendered.mask, scene, noise)
