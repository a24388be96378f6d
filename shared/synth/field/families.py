"""The families of field-v1: what real pictures have, one kind at a time, each by name.

A family is drawn first, then its scene. `TRAINED` can be trained on; `HELD_OUT` never is, whatever a config says, so
that scores on it tell how the network does on what nobody thought of.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.errors import UsageError
from shared.synth.field.outlines import Dots, Outline, apart, as_outline, blob, dots_in, union_mask
from shared.synth.field.scene import FieldScene
from shared.synth.field.steps import Step
from shared.synth.kinds import KINDS
from shared.synth.noise import NoiseStep

Shape = tuple[int, int]
Draw = Callable[[np.random.Generator, Shape], FieldScene]


@dataclass(frozen=True)
class Family:
    """One kind of picture.

    Attributes:
        name: of the family.
        group: of families alike: nothing, clutter, ground, texture, page, shapes, size.
        about: in a few words, for tables.
        draw: draws a scene of (height, width).
        weight: share among the families of its group.
        held_out: never trained on.
    """

    name: str
    group: str
    about: str
    draw: Draw
    weight: float = 1.0
    held_out: bool = False


GROUP_SHARES = {"nothing": 0.18, "clutter": 0.16, "ground": 0.17, "texture": 0.17, "page": 0.10, "shapes": 0.22}
"""The share of each group among the scenes that are trained on."""

_REFERENCE_PX = 512.0
_DENSITY = (15 / 26_000, 80 / 26_000)  # dots per px² of a middling shape
_MIXED = ("poisson", "speckle", "gaussian", "salt_pepper")  # in the order in which they are applied


def _side(shape: Shape) -> float:
    return float(min(shape))


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
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


def camera_noise(rng: np.random.Generator) -> tuple[NoiseStep, ...]:
    """Draw the noise of a camera: 10 to 100 photons at full intensity, and that of reading it out."""
    return NoiseStep("poisson", _log_uniform(rng, 10, 100)), NoiseStep("gaussian", _log_uniform(rng, 0.02, 0.15))


def empty(rng: np.random.Generator, shape: Shape, family: str = "", *, most: float = 0.6) -> FieldScene:
    """Draw ground and noise without a shape."""
    return FieldScene(
        family=family,
        height=shape[0],
        width=shape[1],
        background=_uniform(rng, 0.05, 0.25),
        contrast=_uniform(rng, 0.5, 0.75),
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
        count = int(np.clip(round(_uniform(rng, low, high)), 14 * max(len(outlines), 1), 80 * max(len(outlines), 1)))
    else:
        count = int(rng.integers(counts[0], counts[1], endpoint=True))
    jitter = _uniform(rng, 0, 0.02) * _side(shape)
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


def _usual(rng: np.random.Generator, shape: Shape) -> tuple[Outline, ...]:
    """One blob as in dotblob-v1, in pixels of its canvas whatever the size, where it fits."""
    unit = min(_REFERENCE_PX, _side(shape))
    return (as_outline(blob(rng, shape, radius_px=(0.13 * unit, 0.32 * unit))),)


def _plain(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return scene(rng, shape, _usual(rng, shape))


# Nothing there.


def _constant(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return empty(rng, shape).evolve(noise=(), background=_uniform(rng, 0, 1))


def _stray_dots(low: int, high: int) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        parameters = empty(rng, shape, most=0.4)
        count = int(rng.integers(low, high, endpoint=True))
        everywhere = np.ones(shape, dtype=np.bool_)
        return with_dots(parameters, dots_in(rng, everywhere, count, jitter_px=0))

    return draw


def _empty_uneven(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return empty(rng, shape, most=0.5).evolve(light=_any_ground(rng))


def _empty_textured(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return _textured(rng, empty(rng, shape, most=0.5), rng.choice(["lumpy", "filtered", "jpeg", "resampled"]))


def _empty_page(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return _paged(rng, empty(rng, shape, most=0.4), rng.choice(["margin", "marks", "hot", "scratches"]))


# Dots and things that do not belong.


def _clutter(low: float, high: float) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return scene(rng, shape, _usual(rng, shape), stray=_log_uniform(rng, low, high), most=0.5)

    return draw


def _few_strays(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return scene(rng, shape, _usual(rng, shape), stray_count=int(rng.integers(1, 7)), most=0.6)


def _debris(rng: np.random.Generator, shape: Shape) -> FieldScene:
    parameters = _plain(rng, shape)
    mask = union_mask(parameters.outlines, shape)
    large = dots_in(rng, ~mask, int(rng.integers(1, 7)), jitter_px=0, radius_px=(7.0, 22.0), amplitude=(0.4, 1.0))
    own = Dots(
        np.asarray(parameters.dot_centres).reshape(-1, 2),
        np.asarray(parameters.dot_radii),
        np.asarray(parameters.dot_amplitudes),
    )
    return with_dots(parameters, own.joined(large))


def _scratches(rng: np.random.Generator, shape: Shape) -> FieldScene:
    parameters = scene(rng, shape, _usual(rng, shape), most=0.5)
    return parameters.evolve(levels=(*parameters.levels, Step("scratch", (float(rng.integers(1, 6)),))))


# Uneven ground.


def _ground(kind: str) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return _plain(rng, shape).evolve(light=(_ground_step(rng, kind),))

    return draw


def _ground_step(rng: np.random.Generator, kind: str) -> Step:
    if kind == "ramp":
        return Step("ramp", (_log_uniform(rng, 0.05, 0.6), _uniform(rng, 0, 2 * np.pi)))
    if kind == "vignette":
        return Step("vignette", (_uniform(rng, 0.2, 0.9), _uniform(rng, 0.3, 0.7), _uniform(rng, 0.3, 0.7)))
    if kind == "patch":
        rise = _log_uniform(rng, 0.05, 0.5) * (1 if rng.random() < 0.8 else -0.3)
        return Step("patch", (rise, rng.random(), rng.random(), _uniform(rng, 0.06, 0.4), _uniform(rng, 0.06, 0.4)))
    if kind == "clouds":
        return Step("clouds", (_log_uniform(rng, 0.02, 0.2), _uniform(rng, 1.2, 2.0)))
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    return Step("stripes", (_log_uniform(rng, 0.03, 0.2), _log_uniform(rng, 6, 120), float(angle), float(phase)))


def _any_ground(rng: np.random.Generator) -> tuple[Step, ...]:
    return (_ground_step(rng, str(rng.choice(["ramp", "vignette", "patch", "clouds"]))),)


def _two_grounds(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return _plain(rng, shape).evolve(light=(*_any_ground(rng), *_any_ground(rng)))


def _banding(rng: np.random.Generator, shape: Shape) -> FieldScene:
    return _plain(rng, shape).evolve(light=(Step("banding", (_log_uniform(rng, 0.03, 0.1), 8.0)),))


# Noise that hangs together, or was filtered.


def _texture(kind: str) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return _textured(rng, scene(rng, shape, _usual(rng, shape), most=0.6), kind)

    return draw


def _textured(rng: np.random.Generator, parameters: FieldScene, kind: str) -> FieldScene:
    if kind == "lumpy":
        lumps = Step("lumpy", (_log_uniform(rng, 0.03, 0.25), _log_uniform(rng, 0.7, 4.5)))
        return parameters.evolve(light=(lumps,), noise=camera_noise(rng) if rng.random() < 0.3 else ())
    if kind == "lines":
        lines = Step(str(rng.choice(["rows", "columns"])), (_log_uniform(rng, 0.03, 0.2),))
        return parameters.evolve(light=(lines,), noise=camera_noise(rng))
    step = {
        "filtered": lambda: _filter(rng),
        "jpeg": lambda: Step("jpeg", (float(rng.integers(10, 80)),)),
        "resampled": lambda: Step("resampled", (_log_uniform(rng, 0.3, 0.8),)),
        "median7": lambda: Step("median", (7.0,)),
        "tonal": lambda: _tone(rng),
    }[kind]()
    return parameters.evolve(levels=(*parameters.levels, step))


def _filter(rng: np.random.Generator) -> Step:
    if rng.random() < 0.5:
        return Step("median", (float(rng.choice([3, 5])),))
    return Step("blur", (_uniform(rng, 0.5, 2.5),))


def _tone(rng: np.random.Generator) -> Step:
    which = rng.integers(3)
    if which == 0:
        return Step("stretch", (_uniform(rng, 0, 0.02), _uniform(rng, 0, 0.1)))
    if which == 1:
        return Step("gamma", (_log_uniform(rng, 0.4, 2.5),))
    return Step("depth", (float(rng.choice([4, 8, 16])),))


def _enlarged(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw what an image of fewer pixels becomes: larger dots, wider apart, under noise that hangs together."""
    factor = _uniform(rng, 1.3, 3.0)
    parameters = scene(rng, shape, _usual(rng, shape), radius_px=(2 * factor, 6 * factor), counts=(14, 60), most=0.6)
    return parameters.evolve(levels=(*parameters.levels, Step("resampled", (1 / factor,))))


# Pages and cameras.


def _page(kind: str) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        return _paged(rng, scene(rng, shape, _usual(rng, shape), most=0.6), kind)

    return draw


def _paged(rng: np.random.Generator, parameters: FieldScene, kind: str) -> FieldScene:
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
            bar = (_uniform(rng, 0.05, 0.6) * width, _uniform(rng, 0.8, 0.95) * height)
            steps.append(Step("bar", (level, *bar, _uniform(rng, 0.1, 0.3) * width, _uniform(rng, 3, 12))))
        if rng.random() < 0.7 or not steps:
            at = (_uniform(rng, 0.02, 0.5) * width, _uniform(rng, 0.02, 0.9) * height)
            steps.append(Step("text", (level, *at, _uniform(rng, 10, 28))))
    elif kind == "hot":
        steps = [Step("hot", (_log_uniform(rng, 1e-4, 1e-2),))]
    elif kind == "dead":
        steps = [Step("dead", (float(rng.integers(1, 12)),))]
    else:
        steps = [Step("scratch", (float(rng.integers(1, 6)),))]
    return parameters.evolve(levels=(*parameters.levels, *steps))


# Shapes.


def _several(low: int, high: int, *, gap_px: float = 4.0) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        count = int(rng.integers(low, high, endpoint=True))
        unit = _side(shape) / count**0.5
        outlines = apart(rng, shape, count, radius_px=(0.14 * unit, 0.32 * unit), gap_px=gap_px)
        return scene(rng, shape, outlines, counts=(14 * len(outlines), 55 * len(outlines)))

    return draw


def _ring(low: float, high: float) -> Draw:
    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        side = _side(shape)
        points = blob(rng, shape, radius_px=(0.22 * side, 0.34 * side))
        return scene(rng, shape, (as_outline(points, _uniform(rng, low, high)),), counts=(40, 130))

    return draw


def _thin(rng: np.random.Generator, shape: Shape) -> FieldScene:
    side = _side(shape)
    points = blob(rng, shape, radius_px=(0.14 * side, 0.26 * side), aspect=_uniform(rng, 2.5, 7.0))
    return scene(rng, shape, (as_outline(points),), counts=(20, 80))


def _tiny(rng: np.random.Generator, shape: Shape) -> FieldScene:
    points = blob(rng, shape, radius_px=(12.0, 36.0))
    return scene(rng, shape, (as_outline(points),), counts=(10, 30), radius_px=(1.5, 4.0), most=0.4)


def _huge(rng: np.random.Generator, shape: Shape) -> FieldScene:
    points = blob(rng, shape, radius_px=(0.4 * _side(shape), 0.7 * _side(shape)))
    return scene(rng, shape, (as_outline(points),), counts=(50, 300))


def _cut(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """A shape that the border cuts, as the tiles of a large image do."""
    unit = min(_REFERENCE_PX, _side(shape))
    edge = int(rng.integers(4))
    along, beyond = _uniform(rng, 0, 1), _uniform(rng, -0.12, 0.25) * unit
    height, width = shape
    centre = [(along * width, beyond), (along * width, height - beyond), (beyond, along * height)][edge % 3]
    if edge == 3:
        centre = (width - beyond, along * height)
    points = blob(rng, shape, radius_px=(0.16 * unit, 0.36 * unit), centre=centre)
    return scene(rng, shape, (as_outline(points),), counts=(10, 60))


def _filled(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """The inside of a shape that is larger than the picture, as the tiles of a large image show it."""
    height, width = shape
    corners = ((-60.0, -60.0), (width + 60.0, -60.0), (width + 60.0, height + 60.0), (-60.0, height + 60.0))
    return scene(rng, shape, (Outline(corners),), counts=(60, 220))


def _other_dots(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Fewer, more, smaller or larger dots than dotblob-v1 has."""
    which = rng.integers(4)
    outlines = _usual(rng, shape)
    if which == 0:
        return scene(rng, shape, outlines, counts=(7, 14), most=0.4)
    if which == 1:
        return scene(rng, shape, outlines, counts=(80, 420))
    if which == 2:
        return scene(rng, shape, outlines, radius_px=(1.0, 2.2), most=0.4)
    return scene(rng, shape, outlines, radius_px=(6.0, 14.0))


def _faint(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Dots that one can just see, so that faint and absent are told apart."""
    parameters = scene(rng, shape, _usual(rng, shape), amplitude=(0.25, 0.6))
    return parameters.evolve(noise=camera_noise(rng) if rng.random() < 0.6 else base_noise(rng, most=0.5))


def _crescent(rng: np.random.Generator, shape: Shape) -> FieldScene:
    side = _side(shape)
    angles = np.linspace(0.35, 2 * np.pi - 0.35, 10)
    outer, inner = 0.3 * side, 0.19 * side
    there = np.column_stack([np.cos(angles), np.sin(angles)]) * outer
    back = np.column_stack([np.cos(angles[::-1]), np.sin(angles[::-1])]) * inner + [0.05 * side, 0]
    turn = rng.uniform(0, 2 * np.pi)
    points = np.concatenate([there, back]) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = np.array([shape[1], shape[0]]) / 2 + rng.uniform(-0.1, 0.1, 2) * side
    return scene(rng, shape, (as_outline(points + middle),), counts=(40, 90))


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("empty", "nothing", "ground under any noise but the strongest", empty, 3.0),
        Family("constant", "nothing", "one value everywhere", _constant, 0.4),
        Family("stray-dots", "nothing", "one to three dots", _stray_dots(1, 3), 1.5),
        Family("empty-uneven", "nothing", "uneven ground", _empty_uneven, 1.5),
        Family("empty-textured", "nothing", "noise that hangs together", _empty_textured, 1.5),
        Family("empty-page", "nothing", "margins, text, defects", _empty_page, 1.0),
        Family("five-strays", "nothing", "four to six dots", _stray_dots(4, 6), held_out=True),
        Family("few-strays", "clutter", "a shape, and one to six stray dots", _few_strays, 1.5),
        Family("clutter", "clutter", "stray dots, 2 to 30 % of the density inside", _clutter(0.02, 0.3), 3.0),
        Family("debris", "clutter", "large bright things on the ground", _debris, 1.0),
        Family("scratches", "clutter", "lines and fibres", _scratches, 0.7),
        Family("clutter-dense", "clutter", "stray dots, 30 to 50 %", _clutter(0.3, 0.5), held_out=True),
        Family("ramp", "ground", "light rising to one side by 5 to 60 %", _ground("ramp"), 1.5),
        Family("vignette", "ground", "dark corners", _ground("vignette")),
        Family("patch", "ground", "a bright or dark patch", _ground("patch"), 1.5),
        Family("clouds", "ground", "clouds of light", _ground("clouds"), 2.0),
        Family("stripes", "ground", "waves of light", _ground("stripes"), held_out=True),
        Family("two-grounds", "ground", "two of these at once", _two_grounds, held_out=True),
        Family("banding", "ground", "bands of rows", _banding, held_out=True),
        Family("lumpy", "texture", "noise that hangs together over 1 to 4 px", _texture("lumpy"), 2.5),
        Family("lines", "texture", "noise of rows or columns", _texture("lines"), 0.8),
        Family("filtered", "texture", "median or Gaussian filter on noise", _texture("filtered"), 1.5),
        Family("jpeg", "texture", "noise compressed as JPEG", _texture("jpeg")),
        Family("resampled", "texture", "noise through fewer pixels", _texture("resampled")),
        Family("enlarged", "texture", "enlarged after the noise", _enlarged, 1.2),
        Family("tonal", "texture", "stretched, gamma, few levels", _texture("tonal"), 0.8),
        Family("median7", "texture", "median filter of 7 px", _texture("median7"), held_out=True),
        Family("margin", "page", "margins of one value", _page("margin"), 1.5),
        Family("marks", "page", "scale bar and text", _page("marks"), 1.5),
        Family("hot", "page", "hot pixels", _page("hot")),
        Family("dead", "page", "dead columns", _page("dead"), 0.5),
        Family("frame", "page", "a frame of one value", _page("frame"), held_out=True),
        Family("several", "shapes", "two to four shapes", _several(2, 4), 2.5),
        Family("touching", "shapes", "two or three shapes that touch", _several(2, 3, gap_px=-30.0)),
        Family("ring", "shapes", "a hole of 35 to 65 % of the shape", _ring(0.35, 0.65), 1.5),
        Family("thin", "shapes", "long and thin", _thin),
        Family("tiny", "shapes", "10 to 30 dots in 24 to 72 px", _tiny, 1.5),
        Family("huge", "shapes", "larger than the benchmark's", _huge),
        Family("cut", "shapes", "cut by the border", _cut, 1.5),
        Family("filled", "shapes", "foreground everywhere", _filled, 0.5),
        Family("other-dots", "shapes", "few, many, small or large dots", _other_dots, 1.5),
        Family("faint", "shapes", "dots that one can just see", _faint, 1.5),
        Family("five-shapes", "shapes", "five or six shapes", _several(5, 6), held_out=True),
        Family("crescent", "shapes", "a crescent", _crescent, held_out=True),
    )
}
TRAINED = tuple(name for name, family in FAMILIES.items() if not family.held_out)
HELD_OUT = tuple(name for name, family in FAMILIES.items() if family.held_out)


def family_named(name: str) -> Family:
    """Return the family of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise UsageError(f"field-v1 has no family {name!r}: use one of {', '.join(FAMILIES)}") from None


def trained_shares() -> dict[str, float]:
    """Return the share of each trained family among the scenes of training; they add up to 1."""
    shares: dict[str, float] = {}
    for group, share in GROUP_SHARES.items():
        members = [family for family in FAMILIES.values() if family.group == group and not family.held_out]
        total = sum(family.weight for family in members)
        shares |= {family.name: share * family.weight / total for family in members}
    return shares
