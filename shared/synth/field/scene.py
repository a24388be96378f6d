"""A scene of field-v1: its parameters, and the images they make."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.synth.dots import render_dots
from shared.synth.field.effects import apply_to_levels, apply_to_light
from shared.synth.field.outlines import Outline, union_mask
from shared.synth.field.steps import Step
from shared.synth.kinds import KINDS
from shared.synth.noise import NoiseParameters, NoiseStep
from shared.synth.scene import Point, Scene

_LIGHT_STREAM, _FINISH_STREAM = 0, 1  # of `grain`


@dataclass(frozen=True)
class FieldScene:
    """The `SceneParameters` of field-v1. Points are (x, y) in pixels; the image need not be square."""

    family: str
    height: int
    width: int
    background: float  # intensity of the ground, in [0, 1]
    contrast: float  # over it, of a dot of amplitude 1
    outlines: tuple[Outline, ...] = ()
    dot_centres: tuple[Point, ...] = ()
    dot_radii: tuple[float, ...] = ()  # px
    dot_amplitudes: tuple[float, ...] = ()
    light: tuple[Step, ...] = ()  # on the clean image: uneven ground, and noise whose pixels hang together
    noise: tuple[NoiseStep, ...] = ()  # at severity 1
    levels: tuple[Step, ...] = ()  # on the noisy image: filters, compression, pages and cameras
    grain: int = 0  # seed of what the steps of light and levels draw

    @property
    def size(self) -> int:
        """Longer side in pixels."""
        return max(self.height, self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    def evolve(self, **changes: Any) -> Self:
        """Return the same scene with other values."""
        return replace(self, **changes)

    def clean_dots(self) -> NDArray[np.float32]:
        """Draw dots on flat ground, float32 (height, width)."""
        clean = np.full(self.shape, self.background, dtype=np.float32)
        if self.dot_radii:
            clean += np.float32(self.contrast) * render_dots(
                np.asarray(self.dot_centres, dtype=np.float64).reshape(-1, 2),
                np.asarray(self.dot_radii, dtype=np.float64),
                np.asarray(self.dot_amplitudes, dtype=np.float64),
                self.shape,
            )
        return clean

    def render(self) -> Scene:
        """Return the image before its noise, at 0 or more, and the union of the outlines."""
        rng = np.random.default_rng((self.grain, _LIGHT_STREAM))
        lit = apply_to_light(self.clean_dots(), self.light, rng)
        return Scene(np.maximum(lit, 0.0, dtype=np.float32), union_mask(self.outlines, self.shape))

    def own_noise(self, severity: float) -> NoiseParameters:
        """See `SceneParameters`."""
        steps = tuple(_weakened(step, severity) for step in self.noise)
        return NoiseParameters("mixed" if len(steps) > 1 else steps[0].kind if steps else "none", steps)

    def finish(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `SceneParameters`."""
        return apply_to_levels(image, self.levels, np.random.default_rng((self.grain, _FINISH_STREAM)))

    def to_dict(self) -> dict[str, Any]:
        """See `SceneParameters`."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        outlines = [{"control_points": [list(p) for p in o.control_points], "hole": o.hole} for o in self.outlines]
        steps = {name: [[step.kind, *step.values] for step in getattr(self, name)] for name in ("light", "levels")}
        noise = [[step.kind, step.strength] for step in self.noise]
        return (
            plain | steps | {"outlines": outlines, "noise": noise, "dot_centres": [list(p) for p in self.dot_centres]}
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the inverse of `to_dict`, also after a passage through JSON."""
        values: dict[str, Any] = {name: data[name] for name in _PLAIN}
        values |= {name: tuple(values[name]) for name in ("dot_radii", "dot_amplitudes")}
        values |= {name: tuple(Step(k, tuple(numbers)) for k, *numbers in data[name]) for name in ("light", "levels")}
        return cls(
            **values,
            outlines=tuple(Outline(_points(o["control_points"]), o["hole"]) for o in data["outlines"]),
            noise=tuple(NoiseStep(kind, strength) for kind, strength in data["noise"]),
            dot_centres=_points(data["dot_centres"]),
        )


_PLAIN = ("family", "height", "width", "background", "contrast", "dot_radii", "dot_amplitudes", "grain")


def _weakened(step: NoiseStep, severity: float) -> NoiseStep:
    kind = KINDS[step.kind]
    return NoiseStep(step.kind, kind.strength_at(severity * kind.t_of(step.strength)))


def _points(pairs: Any) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in pairs)
