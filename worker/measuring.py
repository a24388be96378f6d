"""The measurements of an image, from the histogram of its 8-bit probabilities and, where there is one, its truth."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.db.measurements import Measurements
from shared.images.metrics import Mask, Overlap
from shared.images.probabilities import MapNumbers
from shared.net.witness import UNKNOWN, Verdict


@dataclass(frozen=True, eq=False)
class MaskNumbers:
    """What is counted in the mask that is stored."""

    objects: int
    area: int  # px
    levels: NDArray[np.int64] | None = None  # histogram of the map over the mask, where that is not cut at a threshold


def measure(
    counts: NDArray[np.int64], threshold: float, verdict: Verdict = UNKNOWN, found: MaskNumbers | None = None
) -> Measurements[float]:
    """Return what a probability map tells of itself and of its mask.

    Args:
        counts: histogram of the map, of one pixel at least.
        threshold: of the mask.
        verdict: of the scores that were fitted for the model.
        found: what was counted in the mask.
    """
    numbers = MapNumbers.of(counts, threshold, in_mask=None if found is None else found.levels)
    return Measurements(
        foreground=numbers.foreground,
        confidence=numbers.confidence,
        trust=numbers.trust,
        quality=verdict.quality,
        quality_low=verdict.quality_low,
        familiarity=verdict.familiarity,
        objects=None if found is None else found.objects,
        area=None if found is None else found.area,
    )


def compare(measured: Measurements[float], parts: Iterable[tuple[Mask, Mask]]) -> Measurements[float]:
    """Add to the measurements of a mask those against its truth; both come in parts, or as the one that they are."""
    overlap = Overlap.of_parts(parts)
    return replace(measured, dice=overlap.dice, iou=overlap.iou, precision=overlap.precision, recall=overlap.recall)
