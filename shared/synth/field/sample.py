"""One sample of field-v1 from one seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.dots import render_dots
from shared.synth.field.effects import apply_floats, apply_levels
from shared.synth.field.families import family_named, trained_shares
from shared.synth.field.parameters import FieldParameters
from shared.synth.field.shapes import union_mask

MIN_SIDE, MAX_SIDE = 64, 4096  # px


@dataclass(frozen=True, eq=False)
class FieldSample:
    """An image and its truth, and the parameters of both."""

    image: NDArray[np.uint8]  # (height, width)
    mask: NDArray[np.bool_]  # (height, width), True inside
    parameters: FieldParameters


def sample_field(seed: int, *, shape: tuple[int, int] = (512, 512), family: str | None = None) -> FieldParameters:
    """Draw the scene of a seed, of a family or, by the shares of training, of any trained one.

    Raises:
        UsageError: there is no such family, or the size is out of range.
    """
    if not (min(shape) >= MIN_SIDE and max(shape) <= MAX_SIDE):
        raise UsageError(f"a scene of {shape[1]}×{shape[0]} px: use sides from {MIN_SIDE} to {MAX_SIDE}")
    rng = np.random.default_rng((seed, _STREAM))
    shares = trained_shares()
    drawn = str(rng.choice(list(shares), p=list(shares.values())))
    chosen = family_named(family or drawn)
    return chosen.draw(rng, shape).evolve(family=chosen.name)


def render_field(parameters: FieldParameters) -> FieldSample:
    """The image of a scene, and its truth."""
    shape = parameters.height, parameters.width
    rng = np.random.default_rng(parameters.grain)
    clean = np.full(shape, parameters.background, dtype=np.float32)
    if parameters.dot_radii:
        clean += np.float32(parameters.contrast) * render_dots(
            np.asarray(parameters.dot_centres, dtype=np.float64).reshape(-1, 2),
            np.asarray(parameters.dot_radii, dtype=np.float64),
            np.asarray(parameters.dot_amplitudes, dtype=np.float64),
            shape,
        )
    lit = apply_floats(clean, parameters.ground, rng)
    noisy = apply_floats(lit, parameters.noise, rng)
    levels = np.rint(np.clip(noisy, 0.0, 1.0) * 255).astype(np.uint8)
    image = apply_levels(levels, parameters.finish, rng)
    return FieldSample(np.ascontiguousarray(image), union_mask(parameters.outlines, shape), parameters)


_STREAM = 7  # of a seed; dotblob-v1 uses 0 to 4
