"""What defines a task: the distribution of its scenes and their noise, under a name.

A change of any number is a new benchmark under a new name: `definition_hash` is stored in every checkpoint,
so that a model trained on one definition is never scored on another by accident.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from shared.synth.kinds import KINDS, NoiseKind
from shared.synth.scene import SceneParameters


@dataclass(frozen=True, kw_only=True)
class Definition(ABC):
    """A task of shapes filled with dots under noise: its numbers, and how its scenes are drawn.

    A subclass brings a family of scenes: its own numbers, and `sample_scene`; its twin for training is registered in
    `training.data.synthesis.twins`. Ranges are (low, high) of uniform draws; lengths are shares of the canvas side or
    pixels, as named.
    """

    name: str
    canvas_px: int
    margin_px: float  # between a shape's contour and the canvas's edge
    area_share: tuple[float, float]  # of the canvas that a shape covers, else it is drawn again

    # dots and ground
    dots: tuple[int, int]  # both ends included
    jitter: tuple[float, float]  # std per axis, of the canvas side, drawn once an image
    dot_radius_px: tuple[float, float]
    amplitude: tuple[float, float]
    background: tuple[float, float]
    contrast: tuple[float, float]

    # noise
    kinds: tuple[NoiseKind, ...]  # that are drawn, and their strengths at t = severity · U(0, 1)
    mixed_kinds: tuple[int, int]  # in a mixture; both ends included
    mixed_prob: float

    @property
    def mixed_order(self) -> tuple[str, ...]:
        """Names of the kinds in the order in which a mixture applies them."""
        return tuple(kind.name for kind in sorted(self.kinds, key=lambda kind: kind.place))

    def kind(self, name: str) -> NoiseKind:
        """Return a kind with this definition's strengths, or as declared where the definition does not draw it."""
        return next((kind for kind in self.kinds if kind.name == name), KINDS[name])

    def without(self, families: tuple[str, ...]) -> Self:  # noqa: ARG002 - one family has nothing to leave out
        """Return the definition without these families of scenes, of those that have any."""
        return self

    def values(self) -> dict[str, Any]:
        """Return every number by name, in JSON types: what is hashed, and stored with what was trained on it."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "kinds"}
        noise = {kind.key: kind.range for kind in self.kinds} | {"mixed_order": self.mixed_order}
        plain: dict[str, Any] = json.loads(json.dumps(own | noise))
        return plain

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint and its scores say of the definition: name, SHA-256 and values."""
        return {"name": self.name, "sha256": definition_hash(self), "values": self.values()}

    @abstractmethod
    def sample_scene(
        self, rng: np.random.Generator, *, size: int, num_dots: int | None = None, jitter: float | None = None
    ) -> SceneParameters:
        """Draw a scene of `size` × `size` pixels.

        Args:
            rng: where all draws come from.
            size: side in pixels.
            num_dots: replaces the draw of the number of dots in a shape, and no other draw.
            jitter: the dots' displacement as a share of the side; replaces its draw alone.

        Raises:
            UsageError: a value makes no scene.
        """


def definition_hash(definition: Definition) -> str:
    """Return the SHA-256 (hex) of the definition's canonical JSON."""
    canonical = json.dumps(definition.values(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
