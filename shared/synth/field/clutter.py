"""What a picture of field-v1 shows beside a shape, or in place of one: nothing, stray dots, debris."""

import numpy as np

from shared.synth.field.draws import (
    Draw,
    Shape,
    any_one_noise,
    empty,
    log_uniform,
    plain,
    scene,
    uniform,
    usual,
    with_dots,
)
from shared.synth.field.looks import any_ground, paged, textured
from shared.synth.field.outlines import Dots, dots_in, union_mask
from shared.synth.field.scene import FieldScene
from shared.synth.field.steps import Step


def bare(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw ground without a shape, half of it under one kind of noise, from faint to almost the strongest."""
    ground = empty(rng, shape)
    return ground.evolve(noise=any_one_noise(rng, most=0.85)) if rng.random() < 0.5 else ground


def constant(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw one value everywhere."""
    return empty(rng, shape).evolve(noise=(), background=uniform(rng, 0, 1))


def stray_dots(low: int, high: int) -> Draw:
    """Return what draws so many dots on ground without a shape."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        parameters = empty(rng, shape, most=0.4)
        count = int(rng.integers(low, high, endpoint=True))
        everywhere = np.ones(shape, dtype=np.bool_)
        return with_dots(parameters, dots_in(rng, everywhere, count, jitter_px=0))

    return draw


def empty_uneven(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw uneven ground without a shape."""
    return empty(rng, shape, most=0.5).evolve(light=any_ground(rng))


def empty_textured(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw noise that hangs together, or was filtered, without a shape."""
    return textured(rng, empty(rng, shape, most=0.5), rng.choice(["lumpy", "filtered", "jpeg", "resampled"]))


def empty_page(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a page without a shape."""
    return paged(rng, empty(rng, shape, most=0.4), rng.choice(["margin", "marks", "hot", "scratches"]))


def clutter(low: float, high: float) -> Draw:
    """Return what draws a shape among stray dots, of a share of the density inside."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return scene(rng, shape, usual(rng, shape), stray=log_uniform(rng, low, high), most=0.5)

    return draw


def few_strays(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape and one to six dots elsewhere."""
    return scene(rng, shape, usual(rng, shape), stray_count=int(rng.integers(1, 7)), most=0.6)


def debris(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape beside large bright things."""
    parameters = plain(rng, shape)
    mask = union_mask(parameters.outlines, shape)
    large = dots_in(rng, ~mask, int(rng.integers(1, 7)), jitter_px=0, radius_px=(7.0, 22.0), amplitude=(0.4, 1.0))
    own = Dots(
        np.asarray(parameters.dot_centres).reshape(-1, 2),
        np.asarray(parameters.dot_radii),
        np.asarray(parameters.dot_amplitudes),
    )
    return with_dots(parameters, own.joined(large))


def scratches(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape under lines and fibres."""
    parameters = scene(rng, shape, usual(rng, shape), most=0.5)
    return parameters.evolve(levels=(*parameters.levels, Step("scratch", (float(rng.integers(1, 6)),))))
