"""What the families of field-v1 draw with: ground, noise, and scenes of outlines filled with dots."""

from collections.abc import Callable

import numpy as np

from shared.synth.field.outlines import Dots, Outline, as_outline, blob, dots_in, union_mask
from shared.synth.field.scene import FieldScene
from shared.synth.field.steps import Step
from shared.synth.kinds import KINDS
from shared.synth.noise import NoiseStep

Shape = tuple[int, int]
Draw = Callable[[np.random.Generator, Shape], FieldScene]
REFERENCE_PX = 512.0
_DENSITY = (15 / 26_000, 80 / 26_000)  # dots per px² of a middling shape
_MIXED = ("poisson", "speckle", "gaussian", "salt_pepper")  # in the order in which they are applied


def shorter_side(shape: Shape) -> float:
    """Return the shorter side in pixels."""
    return float(min(shape))


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw from [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw from [low, high), evenly in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def base_noise(rng: np.random.Generator, *, most: float = 0.7) -> tuple[NoiseStep, ...]:
    """Draw a noise of the benchmark at a severity up to `most`, or a camera's, or none."""
    which = rng.random()
    if which < 0.12:
        return ()
    if which < 0.50:
        return camera_noise(rng)
    severity = rng.uniform(0, most)
    count = int(rng.integers(1, 4))
    chosen = sorted(rng.choice(len(_MIXED), size=count, replace=False))
    return tuple(NoiseStep(_MIXED[i], KINDS[_MIXED[i]].strength_at(severity * rng.random())) for i in chosen)


def any_one_noise(rng: np.random.Generator, *, most: float) -> tuple[NoiseStep, ...]:
    """Draw one kind of the benchmark's noise at a severity up to `most`."""
    kind = str(rng.choice(_MIXED))
    return (NoiseStep(kind, KINDS[kind].strength_at(uniform(rng, 0, most))),)


def camera_noise(rng: np.random.Generator) -> tuple[NoiseStep, ...]:
    """Draw the noise of a camera: 10 to 100 photons at full intensity, and that of reading it out."""
    return NoiseStep("poisson", log_uniform(rng, 10, 100)), NoiseStep("gaussian", log_uniform(rng, 0.02, 0.15))


def empty(rng: np.random.Generator, shape: Shape, family: str = "", *, most: float = 0.6) -> FieldScene:
    """Draw ground and noise without a shape."""
    return FieldScene(
        family=family,
        height=shape[0],
        width=shape[1],
        background=uniform(rng, 0.05, 0.25),
        contrast=uniform(rng, 0.5, 0.75),
        noise=base_noise(rng, most=most),
        levels=(Step("invert"),) if rng.random() < 0.1 else (),
        grain=int(rng.integers(2**32)),
    )


def scene(
    rng: np.random.Generator,
    shape: Shape,
    outlines: tuple[Outline, ...],
    *,
    counts: tuple[int, int] | None = None,
    radius_px: tuple[float, float] = (2.0, 6.0),
    amplitude: tuple[float, float] = (0.6, 1.0),
    stray: float = 0.0,
    stray_count: int = 0,
    most: float = 0.7,
) -> FieldScene:
    """Draw a scene of outlines filled with dots.

    Args:
        rng: drawn from.
        shape: height and width, px.
        outlines: the truth.
        counts: range of the number of dots in all outlines together; None: by the area, as in dotblob-v1.
        radius_px: range of the dots' radii, px.
        amplitude: range of the dots' amplitudes.
        stray: density of the dots on the ground as a share of that inside.
        stray_count: further dots on the ground.
        most: the highest severity of the noise.
    """
    ground = empty(rng, shape, most=most)
    mask = union_mask(outlines, shape)
    area = int(mask.sum())
    if counts is None:
        low, high = (density * max(area, 1) for density in _DENSITY)
        count = int(np.clip(round(uniform(rng, low, high)), 14 * max(len(outlines), 1), 80 * max(len(outlines), 1)))
    else:
        count = int(rng.integers(counts[0], counts[1], endpoint=True))
    jitter = uniform(rng, 0, 0.02) * shorter_side(shape)
    dots = dots_in(rng, mask, count, jitter_px=jitter, radius_px=radius_px, amplitude=amplitude)
    strays = stray_count + rng.poisson(stray * count / max(area, 1) * (mask.size - area))
    if strays:
        dots = dots.joined(dots_in(rng, ~mask, int(strays), jitter_px=0, radius_px=radius_px, amplitude=amplitude))
    return with_dots(ground, dots).evolve(outlines=outlines)


def with_dots(parameters: FieldScene, dots: Dots) -> FieldScene:
    """Return the scene with these dots."""
    return parameters.evolve(
        dot_centres=tuple((float(x), float(y)) for x, y in dots.centres),
        dot_radii=tuple(dots.radii.tolist()),
        dot_amplitudes=tuple(dots.amplitudes.tolist()),
    )


def usual(rng: np.random.Generator, shape: Shape) -> tuple[Outline, ...]:
    """Draw one blob as in dotblob-v1, in pixels of its canvas whatever the size, where it fits."""
    unit = min(REFERENCE_PX, shorter_side(shape))
    return (as_outline(blob(rng, shape, radius_px=(0.13 * unit, 0.32 * unit))),)


def plain(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a scene of one usual shape."""
    return scene(rng, shape, usual(rng, shape))
