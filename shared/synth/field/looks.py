"""How a picture of field-v1 looks: uneven ground, noise that hangs together, pages and cameras."""

import numpy as np

from shared.synth.field.draws import (
    Draw,
    Shape,
    camera_noise,
    log_uniform,
    plain,
    scene,
    uniform,
    usual,
)
from shared.synth.field.scene import FieldScene
from shared.synth.field.steps import Step


def ground(kind: str) -> Draw:
    """Return what draws a shape on one kind of uneven ground."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return plain(rng, shape).evolve(light=(ground_step(rng, kind),))

    return draw


def ground_step(rng: np.random.Generator, kind: str) -> Step:
    """Draw one kind of uneven ground."""
    if kind == "ramp":
        return Step("ramp", (log_uniform(rng, 0.05, 0.6), uniform(rng, 0, 2 * np.pi)))
    if kind == "vignette":
        return Step("vignette", (uniform(rng, 0.2, 0.9), uniform(rng, 0.3, 0.7), uniform(rng, 0.3, 0.7)))
    if kind == "patch":
        rise = log_uniform(rng, 0.05, 0.5) * (1 if rng.random() < 0.8 else -0.3)
        return Step("patch", (rise, rng.random(), rng.random(), uniform(rng, 0.06, 0.4), uniform(rng, 0.06, 0.4)))
    if kind == "clouds":
        return Step("clouds", (log_uniform(rng, 0.02, 0.2), uniform(rng, 1.2, 2.0)))
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    return Step("stripes", (log_uniform(rng, 0.03, 0.2), log_uniform(rng, 6, 120), float(angle), float(phase)))


def any_ground(rng: np.random.Generator) -> tuple[Step, ...]:
    """Draw uneven ground of any kind."""
    return (ground_step(rng, str(rng.choice(["ramp", "vignette", "patch", "clouds"]))),)


def two_grounds(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape on two kinds of uneven ground at once."""
    return plain(rng, shape).evolve(light=(*any_ground(rng), *any_ground(rng)))


def banding(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape under bands of rows."""
    return plain(rng, shape).evolve(light=(Step("banding", (log_uniform(rng, 0.03, 0.1), 8.0)),))


def texture(kind: str) -> Draw:
    """Return what draws a shape under one kind of texture."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return textured(rng, scene(rng, shape, usual(rng, shape), most=0.6), kind)

    return draw


def textured(rng: np.random.Generator, parameters: FieldScene, kind: str) -> FieldScene:
    """Give a scene a kind of texture."""
    if kind == "lumpy":
        lumps = Step("lumpy", (log_uniform(rng, 0.03, 0.25), log_uniform(rng, 0.7, 4.5)))
        return parameters.evolve(light=(lumps,), noise=camera_noise(rng) if rng.random() < 0.3 else ())
    if kind == "lines":
        lines = Step(str(rng.choice(["rows", "columns"])), (log_uniform(rng, 0.03, 0.2),))
        return parameters.evolve(light=(lines,), noise=camera_noise(rng))
    step = {
        "filtered": lambda: _filter(rng),
        "jpeg": lambda: Step("jpeg", (float(rng.integers(10, 80)),)),
        "resampled": lambda: Step("resampled", (log_uniform(rng, 0.3, 0.8),)),
        "median7": lambda: Step("median", (7.0,)),
        "tonal": lambda: _tone(rng),
    }[kind]()
    return parameters.evolve(levels=(*parameters.levels, step))


def _filter(rng: np.random.Generator) -> Step:
    if rng.random() < 0.5:
        return Step("median", (float(rng.choice([3, 5])),))
    return Step("blur", (uniform(rng, 0.5, 2.5),))


def _tone(rng: np.random.Generator) -> Step:
    which = rng.integers(3)
    if which == 0:
        return Step("stretch", (uniform(rng, 0, 0.02), uniform(rng, 0, 0.1)))
    if which == 1:
        return Step("gamma", (log_uniform(rng, 0.4, 2.5),))
    return Step("depth", (float(rng.choice([4, 8, 16])),))


def enlarged(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw what an image of fewer pixels becomes: larger dots, wider apart, under noise that hangs together."""
    factor = uniform(rng, 1.3, 3.0)
    parameters = scene(rng, shape, usual(rng, shape), radius_px=(2 * factor, 6 * factor), counts=(14, 60), most=0.6)
    return parameters.evolve(levels=(*parameters.levels, Step("resampled", (1 / factor,))))


def page(kind: str) -> Draw:
    """Return what draws a shape on a kind of page."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return paged(rng, scene(rng, shape, usual(rng, shape), most=0.6), kind)

    return draw


def paged(rng: np.random.Generator, parameters: FieldScene, kind: str) -> FieldScene:
    """Put a scene on a kind of page."""
    height, width = parameters.height, parameters.width
    level = (0.0, 255.0, float(rng.integers(256)))[rng.integers(3)]
    if kind == "margin":
        sides = rng.integers(0, int(0.18 * min(height, width)), 4) * (rng.random(4) < 0.6)
        steps = [Step("frame", (level, *map(float, sides)))]
    elif kind == "frame":
        steps = [Step("frame", (level, *([float(rng.integers(2, 20))] * 4)))]
    elif kind == "marks":
        steps = []
        if rng.random() < 0.7:
            bar = (uniform(rng, 0.05, 0.6) * width, uniform(rng, 0.8, 0.95) * height)
            steps.append(Step("bar", (level, *bar, uniform(rng, 0.1, 0.3) * width, uniform(rng, 3, 12))))
        if rng.random() < 0.7 or not steps:
            at = (uniform(rng, 0.02, 0.5) * width, uniform(rng, 0.02, 0.9) * height)
            steps.append(Step("text", (level, *at, uniform(rng, 10, 28))))
    elif kind == "hot":
        steps = [Step("hot", (log_uniform(rng, 1e-4, 1e-2),))]
    elif kind == "dead":
        steps = [Step("dead", (float(rng.integers(1, 12)),))]
    else:
        steps = [Step("scratch", (float(rng.integers(1, 6)),))]
    return parameters.evolve(levels=(*parameters.levels, *steps))
