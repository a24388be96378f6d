"""What is measured of a probability map, from how many of its pixels have each of the 256 levels."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = 256
_PROBABILITIES = np.arange(LEVELS) * np.float32(1 / (LEVELS - 1))


def foreground_from(threshold: float) -> int:
    """The first level that is foreground: its probability, level / 255, is `threshold` or more. 256 where none is."""
    return int(np.count_nonzero(threshold > _PROBABILITIES))


def count_levels(levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many of the values are 0, 1 … 255."""
    # Pillow counts bytes as bytes: in less than half of the time of np.bincount, which makes them 8 times as wide.
    return np.array(Image.fromarray(levels).histogram())


@dataclass(frozen=True)
class Measured:
    """The measurements of a result; all are columns of `shared.db.tables.ItemRow`, described there."""

    foreground: float
    confidence: float
    trust: float

    @classmethod
    def of(cls, counts: NDArray[np.int64], threshold: float) -> Self:
        """Those of a map with so many pixels of each level, one pixel at least, and of its mask."""
        probability = _PROBABILITIES.astype(np.float64)
        first = foreground_from(threshold)
        total, inside = int(counts.sum()), int(counts[first:].sum())
        # As shared.images.metrics.expected_dice has it.
        sizes = float(probability @ counts) + inside
        overlap = 2 * float(probability[first:] @ counts[first:])
        return cls(
            foreground=inside / total,
            confidence=float(np.maximum(probability, 1 - probability) @ counts) / total,
            trust=overlap / sizes if sizes else 1.0,
        )
