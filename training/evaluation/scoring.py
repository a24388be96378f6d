"""A case of the benchmark as an image, and what a network made of it as scores."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.images.metrics import Overlap, dice
from shared.synth import Definition, Sample, synthesise
from training.evaluation import metrics
from training.evaluation.sets import EvaluationCase
from training.evaluation.silhouettes import silhouette_sample

Probability = NDArray[np.float32]
Scores = dict[str, float]


def quick_scores(probability: Probability, truth: NDArray[np.bool_], threshold: float) -> Scores:
    """Compute Dice alone: what a training run watches and the strata report."""
    return {"dice": dice(probability >= threshold, truth)}


def full_scores(probability: Probability, truth: NDArray[np.bool_], threshold: float) -> Scores:
    """Compute everything that the benchmark reports for one image."""
    prediction = probability >= threshold
    overlap, boundaries = Overlap.of(prediction, truth), metrics.BoundaryDistances.of(prediction, truth)
    return {
        "dice": overlap.dice,
        "iou": overlap.iou,
        "precision": overlap.precision,
        "recall": overlap.recall,
        "boundary_f1": boundaries.f1(),
        "hausdorff95": boundaries.hausdorff95(),
        "ece_by_image": metrics.expected_calibration_error(probability, truth),
    }


def generate(case: EvaluationCase, definition: Definition, size: int | None = None) -> Sample:
    """Make the case's image and truth; `size` None is the definition's."""
    if case.shape is not None:
        return silhouette_sample(case, definition, definition.canvas_px if size is None else size)
    return synthesise(case.seed, definition=definition, size=size, severity=case.severity, noise=case.noise)


def summarise(scores: Iterable[Mapping[str, float]]) -> Scores:
    """Return the mean of every score, the 10th percentile of Dice beside it, and the number of images."""
    rows = list(scores)
    summary = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    summary["dice_p10"] = float(np.percentile([row["dice"] for row in rows], 10))
    summary["images"] = len(rows)
    return summary
