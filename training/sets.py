"""The benchmark's sets as seeds and noise, and the seeds of training, which never meet them.

Every scene belongs to a seed, and each use has a block of seeds to itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.synth import NoiseParameters

VAL_SCENES = 2000
STRATA_SCENES = 200

VAL_SEEDS = range(2_000_000_000, 2_000_000_000 + VAL_SCENES)
STRATA_SEEDS = range(2_100_000_000, 2_100_000_000 + STRATA_SCENES)
MONITOR_SEEDS = range(2_200_000_000, 2_200_000_000 + 10_000)  # scored while training, reported nowhere else
TRAINING_SEEDS_START = 2**40
SEEDS_PER_RUN = 2**40
GENERATED_SEEDS_START = 2**58  # of data sets written to disk, past the last run's block
SHAPES_SCENES = 200
SHAPES_SEEDS = range(2_150_000_000, 2_150_000_000 + SHAPES_SCENES)
SHAPES_SEVERITY = 0.5
ORACLE_SEEDS = range(2_160_000_000, 2_160_000_000 + 1000)  # the oracle's radii are chosen on these

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
    shape: str | None = None  # a silhouette of `training.silhouettes` in place of the blob


def training_seed(run_seed: int, index: int) -> int:
    """The seed of the index-th sample of a run; runs of different seeds share no sample."""
    return TRAINING_SEEDS_START + run_seed * SEEDS_PER_RUN + index


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
