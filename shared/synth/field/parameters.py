"""The parameters of a scene of field-v1: drawn once, then rendered by numpy or on a training device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

Point = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """One effect on the image: its kind, and the numbers that the kind takes."""

    kind: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outline:
    """One shape: a closed contour through its control points, less a hole where `hole` is not 0."""

    control_points: tuple[Point, ...]  # (x, y) in pixels
    hole: float = 0.0  # size of the hole as a share of the outline's, about its centre


@dataclass(frozen=True)
class FieldParameters:
    """All that an image of field-v1 and its truth are made of. Points are (x, y) in pixels."""

    family: str
    height: int
    width: int
    background: float  # intensity of the ground, in [0, 1]
    contrast: float  # over it, of a dot of amplitude 1
    outlines: tuple[Outline, ...] = ()
    dot_centres: tuple[Point, ...] = ()
    dot_radii: tuple[float, ...] = ()  # px
    dot_amplitudes: tuple[float, ...] = ()
    ground: tuple[Step, ...] = ()  # on the clean image, before the noise
    noise: tuple[Step, ...] = ()
    finish: tuple[Step, ...] = ()  # on the 8-bit image: filters, compression, pages and cameras
    grain: int = 0  # seed of the pixels' noise and of what else is drawn while rendering

    def evolve(self, **changes: Any) -> Self:
        """The same scene with other values."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        outlines = [{"control_points": [list(p) for p in o.control_points], "hole": o.hole} for o in self.outlines]
        steps = {name: [[step.kind, *step.values] for step in getattr(self, name)] for name in _STEPS}
        return plain | {"outlines": outlines, "dot_centres": [list(p) for p in self.dot_centres]} | steps

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`, also after a passage through JSON."""
        values: dict[str, Any] = {name: data[name] for name in _PLAIN}
        values |= {name: tuple(values[name]) for name in ("dot_radii", "dot_amplitudes")}
        values |= {name: tuple(Step(kind, tuple(numbers)) for kind, *numbers in data[name]) for name in _STEPS}
        outlines = tuple(Outline(_points(o["control_points"]), o["hole"]) for o in data["outlines"])
        return cls(**values, outlines=outlines, dot_centres=_points(data["dot_centres"]))


_STEPS = ("ground", "noise", "finish")
_PLAIN = ("family", "height", "width", "background", "contrast", "dot_radii", "dot_amplitudes", "grain")


def _points(pairs: Any) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in pairs)
