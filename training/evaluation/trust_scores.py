"""The numbers that say how far a result can be trusted, as functions of what the network answered; more is better."""

from collections.abc import Callable, Mapping

import numpy as np

from shared.net.backends.contract import PROBABILITY_LEVELS
from shared.net.predictor import Predictor
from training.evaluation.segmenting import Segmentation

Score = Callable[[Segmentation], float | None]
"""None where it is not known of a result."""

_PROBABILITIES = np.arange(PROBABILITY_LEVELS + 1) / PROBABILITY_LEVELS


def scores_of(predictor: Predictor) -> Mapping[str, Score]:
    """Return the scores that a model's results come with, by name: those of the map, and what its checkpoint adds."""
    own: dict[str, Score] = {"trust": trust, "confidence": confidence}
    if predictor.scores is None:
        return own
    return own | {"quality": lambda s: s.verdict.quality, "familiarity": lambda s: s.verdict.familiarity}


def trust(segmentation: Segmentation) -> float:
    """Compute the Dice of the probability map and its own mask, as the worker does; 1 of a map of nothing at all."""
    counts = _histogram(segmentation)
    inside = segmentation.threshold <= _PROBABILITIES
    sizes = float(_PROBABILITIES @ counts) + int(counts[inside].sum())
    return 2 * float(_PROBABILITIES[inside] @ counts[inside]) / sizes if sizes else 1.0


def confidence(segmentation: Segmentation) -> float:
    """Compute how sure the network is of a pixel on average, in [0.5, 1], as the worker does."""
    certainty = np.maximum(_PROBABILITIES, 1 - _PROBABILITIES)
    return float(certainty @ _histogram(segmentation)) / segmentation.levels.size


def _histogram(segmentation: Segmentation) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.bincount(segmentation.levels.ravel(), minlength=PROBABILITY_LEVELS + 1)
