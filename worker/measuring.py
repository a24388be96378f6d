"""The measurements of an image, from the histogram of its 8-bit probabilities and, where there is one, its truth."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.db.measurements import Measurements
from shared.images.metrics import Mask, dice, iou
from shared.images.probabilities import MapNumbers
from shared.net.witness import UNKNOWN, Verdict


def measure(counts: NDArray[np.int64], threshold: float, verdict: Verdict = UNKNOWN) -> Measurements[float]:
    """Return what a probability map tells of itself and of its mask, from its histogram of one pixel at least."""
    numbers = MapNumbers.of(counts, threshold)
    return Measurements(
        foreground=numbers.foreground,
        confidence=numbers.confidence,
        trust=numbers.trust,
        quality=verdict.quality,
        quality_low=verdict.quality_low,
        familiarity=verdict.familiarity,
    )


def compare(measured: Measurements[float], mask: Mask, truth: Mask) -> Measurements[float]:
    """Add to the measurements of a mask those against its truth."""
    return replace(measured, dice=dice(mask, truth), iou=iou(mask, truth))
