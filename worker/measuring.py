"""The measurements of an image, from the histogram of its 8-bit probabilities and, where there is one, its truth."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.db.measurements import Measurements
from shared.images.metrics import Mask, dice, iou

LEVELS = 256
_PROBABILITIES = np.arange(LEVELS) / (LEVELS - 1)


def foreground_from(threshold: float) -> int:
    """Return the first 8-bit probability, level / 255, that is `threshold` or more; 256 where none is."""
    return int(np.count_nonzero(threshold > _PROBABILITIES))


def histogram(probabilities: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count how many of the values are 0, 1 … 255."""
    # Pillow counts bytes as bytes: in less than half of the time of np.bincount, which makes them 8 times as wide.
    return np.array(Image.fromarray(probabilities).histogram())


def measure(counts: NDArray[np.int64], threshold: float) -> Measurements[float]:
    """Return what a probability map tells of itself and of its mask, from its histogram of one pixel at least."""
    first = foreground_from(threshold)
    total, inside = int(counts.sum()), int(counts[first:].sum())
    # Soft Dice of the map and its own mask: 2Σ(p·m) / (Σp + Σm), Milletari et al. 2016.
    sizes = float(_PROBABILITIES @ counts) + inside
    overlap = 2 * float(_PROBABILITIES[first:] @ counts[first:])
    return Measurements(
        foreground=inside / total,
        confidence=float(np.maximum(_PROBABILITIES, 1 - _PROBABILITIES) @ counts) / total,
        trust=overlap / sizes if sizes else 1.0,
    )


def compare(measured: Measurements[float], mask: Mask, truth: Mask) -> Measurements[float]:
    """Add to the measurements of a mask those against its truth."""
    return replace(measured, dice=dice(mask, truth), iou=iou(mask, truth))
