"""One synthetic sample from one seed: what the worker generates, training learns and evaluation scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.definition import Definition
from shared.synth.definitions import DEFAULT_DEFINITION, find_definition
from shared.synth.field import FIELD_V1
from shared.synth.noise import NoiseParameters, apply_noise, check_noise_request, sample_noise
from shared.synth.scene import SceneParameters


@dataclass(frozen=True, eq=False)
class Sample:
    """A noisy image, the clean image under it, its truth, and the parameters of both."""

    image: NDArray[np.uint8]  # (height, width)
    clean: NDArray[np.float32]  # (size, size), in [0, 1]
    mask: NDArray[np.bool_]  # (size, size), True inside a shape
    scene: SceneParameters
    noise: NoiseParameters


def synthesise(
    seed: int,
    *,
    definition: Definition | str = DEFAULT_DEFINITION,
    size: int | None = None,
    num_dots: int | None = None,
    jitter: float | None = None,
    severity: float = 0.5,
    noise: str | NoiseParameters | None = None,
    mixed_prob: float | None = None,
) -> Sample:
    """Make the sample that these arguments name: the same arguments give the same arrays.

    The scene depends on `definition`, `seed`, `size`, `num_dots` and `jitter` alone, so one seed shows one scene under
    every noise. What is None is the definition's own, or drawn as it says.

    Args:
        seed: a number from 0 up.
        definition: of the task, itself or by name.
        size: side in pixels.
        num_dots: dots in a shape.
        jitter: the dots' displacement as a share of the side.
        severity: scales the noise, in [0, 1].
        noise: a name of NOISE_LABELS, or parameters already chosen.
        mixed_prob: share of mixtures where the kind is drawn.

    Raises:
        UsageError: a value is out of its range, or a name is not known.
    """
    if seed < 0:
        raise UsageError(f"the seed is {seed}: use a number from 0 up")
    task = find_definition(definition) if isinstance(definition, str) else definition
    for_scene, for_noise, for_pixels = (np.random.default_rng((seed, stream)) for stream in range(3))
    scene = task.sample_scene(
        for_scene, size=task.canvas_px if size is None else size, num_dots=num_dots, jitter=jitter
    )
    check_noise_request(severity, None)
    chosen = noise if isinstance(noise, NoiseParameters) else scene.own_noise(severity) if noise is None else None
    if chosen is None:
        kind = noise if isinstance(noise, str) else None
        chosen = sample_noise(for_noise, severity, task, kind=kind, mixed_prob=mixed_prob)
    return render_sample(scene, chosen, for_pixels)


def synthesise_family(
    seed: int, family: str, *, shape: tuple[int, int] = (FIELD_V1.canvas_px,) * 2, severity: float = 1.0
) -> Sample:
    """Make a sample of one family of field-v1, held out or not, of (height, width).

    Raises:
        UsageError: there is no such family, or a side is out of range.
    """
    scene = FIELD_V1.sample_family(np.random.default_rng((seed, 0)), shape, family)
    return render_sample(scene, scene.own_noise(severity), np.random.default_rng((seed, 2)))


def render_sample(scene: SceneParameters, noise: NoiseParameters, for_pixels: np.random.Generator) -> Sample:
    """Make the sample of a scene under a noise whose pixels are drawn from `for_pixels`."""
    rendered = scene.render()
    image = scene.finish(apply_noise(rendered.clean, noise, for_pixels))
    return Sample(np.ascontiguousarray(image), rendered.clean, rendered.mask, scene, noise)
