"""Pictures to evaluate on beside the benchmark's: scenes of field-v1, by family, and what else is made of its parts.

What evaluation knows of `shared.synth.field` goes through here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels
from shared.synth import render_sample, synthesise_family
from shared.synth.field import FAMILIES, FieldScene, Outline, Step

_PIXELS_STREAM = 2  # of a scene's grain; its light and levels use others

__all__ = ["FieldScene", "Kind", "Outline", "Picture", "Step", "families", "family_picture", "render"]


@dataclass(frozen=True)
class Kind:
    """What is told of a kind of picture beside its scores: a family of field-v1, a probe, a source of pictures."""

    name: str
    group: str  # of kinds alike
    about: str  # in a few words
    is_held_out: bool = False  # never trained on, whatever a config says


@dataclass(frozen=True, eq=False)
class Picture:
    """One image to be judged."""

    kind: Kind
    name: str  # which of its kind: a seed, a file
    image: Pixels  # H×W, as decoded
    truth: NDArray[np.bool_]  # H×W; nowhere True where there is nothing to be found


def families() -> tuple[Kind, ...]:
    """Return the families of field-v1, those held out last."""
    known = [Kind(each.name, each.group, each.about, each.held_out) for each in FAMILIES.values()]
    return tuple(sorted(known, key=lambda kind: kind.is_held_out))


def family_picture(kind: Kind, seed: int) -> Picture:
    """Make the picture of a seed, in 512×512 px, of a family."""
    sample = synthesise_family(seed, kind.name)
    return Picture(kind, str(seed), sample.image, sample.mask)


def render(kind: Kind, seed: int, scene: FieldScene) -> Picture:
    """Make a picture of a scene under its own noise."""
    sample = render_sample(scene, scene.own_noise(1.0), np.random.default_rng((scene.grain, _PIXELS_STREAM)))
    return Picture(kind, str(seed), sample.image, sample.mask)
