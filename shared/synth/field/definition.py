"""field-v1: the task as real pictures pose it, beside dotblob-v1. See docs/field-v1.md."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from shared.errors import UsageError
from shared.synth.definition import Definition
from shared.synth.field.draws import with_dots
from shared.synth.field.families import FAMILIES, HELD_OUT, TRAINED, family_named, trained_shares
from shared.synth.field.outlines import AMPLITUDE, DOT_RADIUS_PX, dots_in, union_mask
from shared.synth.field.scene import FieldScene
from shared.synth.kinds import GAUSSIAN, POISSON, SALT_PEPPER, SPECKLE
from shared.synth.scene import MAX_SIZE, MIN_SIZE, check_scene_request


@dataclass(frozen=True, kw_only=True)
class Field(Definition):
    """A definition whose scenes belong to families, each of which has one thing that real pictures have.

    Attributes:
        held_out: families that are never drawn unless they are named.
    """

    held_out: tuple[str, ...] = HELD_OUT

    def without(self, families: tuple[str, ...]) -> Self:
        """Return the definition with these families held out too.

        Raises:
            UsageError: there is no such family, or none is left.
        """
        held_out = tuple(dict.fromkeys((*self.held_out, *(family_named(name).name for name in families))))
        if not set(TRAINED) - set(held_out):
            raise UsageError("every family is held out: leave one to train on")
        return replace(self, held_out=held_out)

    def shares(self) -> dict[str, float]:
        """Return the share of each family that is drawn; they add up to 1."""
        kept = {name: share for name, share in trained_shares().items() if name not in self.held_out}
        total = sum(kept.values())
        return {name: share / total for name, share in kept.items()}

    def values(self) -> dict[str, Any]:
        """See `Definition`; with what each family is, and its share."""
        shares = self.shares()
        return super().values() | {
            "families": {
                name: {"group": family.group, "share": round(shares.get(name, 0.0), 6)}
                for name, family in FAMILIES.items()
            }
        }

    def sample_scene(
        self, rng: np.random.Generator, *, size: int, num_dots: int | None = None, jitter: float | None = None
    ) -> FieldScene:
        """See `Definition`. Numbers that are given hold for the dots in the shapes; pictures of nothing stay empty."""
        check_scene_request(size, num_dots, jitter)
        scene = self.sample_family(rng, (size, size))
        if (num_dots is None and jitter is None) or not scene.outlines:
            return scene
        mask = union_mask(scene.outlines, scene.shape)
        count = len(scene.dot_radii) if num_dots is None else num_dots
        return with_dots(scene, dots_in(rng, mask, count, jitter_px=(jitter or 0.0) * size))

    def sample_family(self, rng: np.random.Generator, shape: tuple[int, int], family: str | None = None) -> FieldScene:
        """Draw a scene of (height, width), of a family or, by their shares, of any that is not held out.

        Raises:
            UsageError: there is no such family, or a side is out of range.
        """
        if not (min(shape) >= MIN_SIZE and max(shape) <= MAX_SIZE):
            raise UsageError(f"a scene of {shape[1]}×{shape[0]} px: use sides from {MIN_SIZE} to {MAX_SIZE}")
        shares = self.shares()
        drawn = str(rng.choice(list(shares), p=list(shares.values())))
        chosen = family_named(family or drawn)
        return chosen.draw(rng, shape).evolve(family=chosen.name)


FIELD_V1 = Field(
    name="field-v1",
    canvas_px=512,
    margin_px=8.0,
    area_share=(0.0, 1.0),
    dots=(0, 420),
    jitter=(0.0, 0.02),
    dot_radius_px=DOT_RADIUS_PX,
    amplitude=AMPLITUDE,
    background=(0.05, 0.25),
    contrast=(0.5, 0.75),
    kinds=(GAUSSIAN, POISSON, SPECKLE, SALT_PEPPER),
    mixed_kinds=(2, 3),
    mixed_prob=0.6,
)
