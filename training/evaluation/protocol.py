"""The benchmark's protocol on one checkpoint: sets, strata with their breaking points, robustness."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.metrics import dice
from shared.images.preparation import prepare
from shared.net.backends.contract import PROBABILITY_LEVELS
from shared.net.predictor import Predictor
from shared.synth import KINDS, Definition
from training.data.seeds import STRATA_SCENES, VAL_SCENES
from training.evaluation.baselines import BASELINES
from training.evaluation.metrics import CalibrationError
from training.evaluation.robustness import GEOMETRIES, INTENSITIES, Change
from training.evaluation.scoring import Probability, Scores, full_scores, generate, quick_scores, summarise
from training.evaluation.sets import EvaluationCase, blobs_cases, clean_cases, shapes_cases, strata_cases, val_cases

BREAKING_DICE = 0.80
FULL_SETS: dict[str, Callable[[int], list[EvaluationCase]]] = {
    "val": val_cases,
    "clean": clean_cases,
    "blobs": blobs_cases,
    "shapes": shapes_cases,
}
_BATCH = 8

Truth = NDArray[np.bool_]


def score_set(predictor: Predictor, name: str, count: int | None, definition: Definition) -> Scores:
    """Score the first `count` scenes of one of `FULL_SETS` by all metrics; `ece` is that of all pixels together."""
    calibration = CalibrationError()

    def score(probability: Probability, truth: Truth, threshold: float) -> Scores:
        calibration.add(probability, truth)
        return full_scores(probability, truth, threshold)

    scores = _score_cases(predictor, FULL_SETS[name](count or VAL_SCENES), definition, score)
    return scores | {"ece": calibration.value()}


def score_strata(predictor: Predictor, count: int | None, definition: Definition) -> dict[str, Any]:
    """Score every kind of noise: `curve`, the mean Dice by strength, and `breaking_point` (see `breaking_point`)."""
    curves: dict[str, dict[float, float]] = {}
    for kind, strength, cases in strata_cases(count or STRATA_SCENES):
        curves.setdefault(kind, {})[strength] = _score_cases(predictor, cases, definition, quick_scores)["dice"]
    return {
        kind: {
            "curve": {f"{strength:g}": score for strength, score in curve.items()},
            "breaking_point": breaking_point(kind, curve),
        }
        for kind, curve in curves.items()
    }


def breaking_point(kind: str, curve: Mapping[float, float]) -> float | None:
    """Find the strength at which mean Dice falls under 0.80, between the strata by a straight line.

    None where it never does; the weakest stratum's strength where it is under from the first. What has a logarithmic
    range, as photons, is interpolated in its logarithm.
    """
    strengths = sorted(curve, reverse=KINDS[kind].is_falling)  # from the weakest noise to the strongest
    if curve[strengths[0]] < BREAKING_DICE:
        return strengths[0]
    for before, after in itertools.pairwise(strengths):
        high, low = curve[before], curve[after]
        if low < BREAKING_DICE:
            way = (high - BREAKING_DICE) / (high - low)
            if KINDS[kind].is_logarithmic:
                return float(before * (after / before) ** way)
            return before + way * (after - before)
    return None


def score_robustness(predictor: Predictor, count: int, definition: Definition) -> dict[str, Any]:
    """Measure mean Dice of clean images as they are, and by how much each change moves it."""
    samples = [generate(case, definition) for case in clean_cases(count)]
    images = [sample.image.astype(np.float32) for sample in samples]
    truths = [sample.mask for sample in samples]

    def mean_dice(change: Change, moves_truth: bool) -> float:
        changed = truths
        if moves_truth:
            changed = [change(mask.astype(np.float32)) > 0 for mask in truths]
        rows = _score(predictor, [np.ascontiguousarray(change(image)) for image in images], changed, quick_scores)
        return summarise(rows)["dice"]

    plain = mean_dice(lambda image: image, moves_truth=False)
    changes = {name: mean_dice(change, moves_truth=False) - plain for name, change in INTENSITIES.items()}
    changes |= {name: mean_dice(change, moves_truth=True) - plain for name, change in GEOMETRIES.items()}
    return {"dice": plain, "images": count, "changes": changes}


def score_baselines(count: int, definition: Definition) -> dict[str, dict[str, float]]:
    """Measure mean Dice of the classical methods on the first `count` scenes of val, clean and shapes."""
    results: dict[str, dict[str, float]] = {name: {} for name in BASELINES}
    for set_name, cases_of in FULL_SETS.items():
        samples = [generate(case, definition) for case in cases_of(count)]
        for name, segment in BASELINES.items():
            scores = [dice(segment(s.image.astype(np.float64) / 255), s.mask) for s in samples]
            results[name][set_name] = float(np.mean(scores))
            results[name]["images"] = len(samples)
    return results


def _score_cases(
    predictor: Predictor, cases: Sequence[EvaluationCase], definition: Definition, score: Callable[..., Scores]
) -> Scores:
    rows = []
    for start in range(0, len(cases), _BATCH):
        samples = [generate(case, definition) for case in cases[start : start + _BATCH]]
        images = [sample.image.astype(np.float32) for sample in samples]
        rows += _score(predictor, images, [sample.mask for sample in samples], score)
    return summarise(rows)


def _score(
    predictor: Predictor, images: Sequence[NDArray[np.float32]], truths: Iterable[Truth], score: Callable[..., Scores]
) -> list[Scores]:
    """Score each image of one tile, segmented as the worker does it: 8-bit probabilities, the model's threshold."""
    rows = []
    remaining = iter(truths)
    for start in range(0, len(images), _BATCH):
        tiles = np.stack([prepare(image).image for image in images[start : start + _BATCH]])
        for levels in predictor.predict_tiles(tiles):
            probability: Probability = levels / np.float32(PROBABILITY_LEVELS)
            rows.append(score(probability, next(remaining), predictor.threshold))
    return rows
