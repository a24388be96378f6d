"""The benchmark's sets, as the seeds and the noise of their images; the definition of the task says what they show."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.synth import KINDS, NoiseParameters
from training.data.seeds import SHAPES_SCENES, SHAPES_SEEDS, STRATA_SCENES, STRATA_SEEDS, VAL_SCENES, VAL_SEEDS

SHAPES_SEVERITY = 0.5

SILHOUETTES = ("polygon", "star", "ring", "letter")


@dataclass(frozen=True)
class EvaluationCase:
    """One image of a set. `noise` None draws it from the val distribution."""

    seed: int
    noise: str | NoiseParameters | None
    severity: float = 1.0
    shape: str | None = None  # a silhouette of `training.evaluation.silhouettes` in place of the definition's scene


def val_cases(count: int = VAL_SCENES) -> list[EvaluationCase]:
    """Return the first `count` scenes of the val set."""
    return [EvaluationCase(seed, None) for seed in VAL_SEEDS[:count]]


def clean_cases(count: int = VAL_SCENES) -> list[EvaluationCase]:
    """Return the same scenes as the val set's, without noise."""
    return [EvaluationCase(seed, "none") for seed in VAL_SEEDS[:count]]


def strata_cases(count: int = STRATA_SCENES) -> Iterator[tuple[str, float, list[EvaluationCase]]]:
    """Yield (kind, strength, cases) for every stratum of every kind of noise; all strata show the same scenes."""
    for kind in KINDS.values():
        for strength in kind.strata:
            noise = NoiseParameters.single(kind.name, strength)
            yield kind.name, strength, [EvaluationCase(seed, noise) for seed in STRATA_SEEDS[:count]]


def blobs_cases(count: int = SHAPES_SCENES) -> list[EvaluationCase]:
    """Return the val set's first scenes at the severity of the shapes, which they are compared with."""
    return [EvaluationCase(seed, None, SHAPES_SEVERITY) for seed in VAL_SEEDS[: min(count, SHAPES_SCENES)]]


def shapes_cases(count: int = SHAPES_SCENES) -> list[EvaluationCase]:
    """Return silhouettes that no blob generator makes, each kind in turn."""
    return [
        EvaluationCase(seed, None, SHAPES_SEVERITY, SILHOUETTES[i % len(SILHOUETTES)])
        for i, seed in enumerate(SHAPES_SEEDS[:count])
    ]
