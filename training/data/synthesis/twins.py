"""Which scenes can be made in batches: the torch twin of each class of definitions.

A twin draws from the same distribution as its class's `sample_scene`, and renders the same parameters to the same
scene; what it makes of a seed is its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from shared.errors import UsageError
from shared.synth import Definition, NoiseParameters, SceneParameters
from shared.synth.dotblob import DotBlob
from shared.synth.field import Field
from training.data.synthesis import dotblob, field


class SceneBatch(Protocol):
    """The parameters of N scenes on one device."""

    def parameters(self) -> Sequence[SceneParameters]:
        """Return them as the reference's, on the host."""
        ...

    def own_noise(self, severity: float) -> Sequence[NoiseParameters | None]:
        """Return what `SceneParameters.own_noise` says of each."""
        ...

    def finish(self, images: Tensor) -> Tensor:
        """Do to noisy images, float32 (N, H, W) of whole numbers, what `SceneParameters.finish` does to each."""
        ...


@dataclass(frozen=True)
class SceneTwin:
    """How a class of definitions makes scenes on the training device.

    `uniforms(definition)` is the number of uniforms in [0, 1) that one scene is a function of. `make(units, definition,
    size)` makes the scenes of a batch from these, float64 (N, uniforms): their parameters, the clean images, float32
    (N, size, size) in [0, 1], and the masks, bool (N, size, size).
    """

    uniforms: Callable[[Any], int]
    make: Callable[[Tensor, Any, int], tuple[SceneBatch, Tensor, Tensor]]


SCENE_TWINS: Mapping[type[Definition], SceneTwin] = {
    DotBlob: SceneTwin(dotblob.scene_uniforms, dotblob.make_scenes),
    Field: SceneTwin(field.scene_uniforms, field.make_scenes),
}


def scene_twin(definition: Definition) -> SceneTwin:
    """Return the twin of the definition's class.

    Raises:
        UsageError: it has none.
    """
    twin = SCENE_TWINS.get(type(definition))
    if twin is None:
        raise UsageError(
            f"{definition.name} cannot be trained on: register a twin of {type(definition).__name__} in {__name__}"
        )
    return twin
