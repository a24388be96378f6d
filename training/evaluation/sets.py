"""The benchmark's sets, as the seeds and the noise of their images."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.synth import NoiseParameters
from training.data.seeds import SHAPES_SCENES, SHAPES_SEEDS, STRATA_SCENES, STRATA_SEEDS, VAL_SCENES, VAL_SEEDS

SHAPES_SEVERITY = 0.5

SILHOUETTES = ("polygon", "star", "ring", "letter")

STRATA_STRENGTHS: dict[str, tuple[float, ...]] = {
    "gaussian": (0.1, 0.3, 0.5, 0.8, 1.2, 1.8),
    "poisson": (10.0, 1.0, 0.3, 0.1),
    "speckle": (0.5, 1.0, 2.0),
    "salt_pepper": (0.1, 0.3, 0.5, 0.7, 0.85),
}


@dataclass(frozen=True)
class Case:
    """One image of a set. `noise` None draws it from the val distribution."""

    seed: int
    noise: str | NoiseParameters | None
    severity: float = 1.0
    shape: str | None = None  # a silhouette of `training.evaluation.silhouettes` in place of the blob


def val_cases(count: int = VAL_SCENES) -> list[Case]:
    """The first `count` scenes of the val set."""
    return [Case(seed, None) for seed in VAL_SEEDS[:count]]


def clean_cases(count: int = VAL_SCENES) -> list[Case]:
    """The same scenes as the val set's, without noise."""
    return [Case(seed, "none") for seed in VAL_SEEDS[:count]]


def strata_cases(count: int = STRATA_SCENES) -> Iterator[tuple[str, float, list[Case]]]:
    """(kind, strength, cases) for every stratum; all strata show the same scenes."""
    for kind, strengths in STRATA_STRENGTHS.items():
        for strength in strengths:
            noise = NoiseParameters.single(kind, strength)
            yield kind, strength, [Case(seed, noise) for seed in STRATA_SEEDS[:count]]


def blobs_cases(count: int = SHAPES_SCENES) -> list[Case]:
    """The val set's first scenes at the severity of the shapes, which they are compared with."""
    return [Case(seed, None, SHAPES_SEVERITY) for seed in VAL_SEEDS[: min(count, SHAPES_SCENES)]]


def shapes_cases(count: int = SHAPES_SCENES) -> list[Case]:
    """Silhouettes that no blob generator makes, each kind in turn."""
    return [
        Case(seed, None, SHAPES_SEVERITY, SILHOUETTES[i % len(SILHOUETTES)])
        for i, seed in enumerate(SHAPES_SEEDS[:count])
    ]
