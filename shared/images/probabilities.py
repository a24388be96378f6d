"""What an 8-bit probability map tells of itself and of its mask, from its histogram alone."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = 256
_PROBABILITIES = np.arange(LEVELS) / (LEVELS - 1)
_BOTH = np.clip(np.stack([_PROBABILITIES, 1 - _PROBABILITIES]), 1e-12, 1)
_ENTROPIES = -(_BOTH * np.log2(_BOTH)).sum(0)  # bits
_LEAST_DOUBT = 1e-3  # less than an image's own rounding


def foreground_from(threshold: float) -> int:
    """Return the first 8-bit probability, level / 255, that is `threshold` or more; 256 where none is."""
    return int(np.count_nonzero(threshold > _PROBABILITIES))


def histogram(probabilities: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count how many of the values are 0, 1 … 255."""
    # Pillow counts bytes as bytes: in less than half of the time of np.bincount, which makes them 8 times as wide.
    return np.array(Image.fromarray(probabilities).histogram())


@dataclass(frozen=True)
class MapNumbers:
    """What a probability map tells of itself and of its mask."""

    foreground: float  # share of the pixels
    confidence: float  # mean of max(p, 1 − p)
    trust: float  # Dice that the map expects of its mask
    entropy: float  # mean inside the mask, in bits; 0 of an empty one
    highest: float  # probability

    @classmethod
    def of(cls, counts: NDArray[np.int64], threshold: float, *, in_mask: NDArray[np.int64] | None = None) -> Self:
        """Compute them from the histogram of one pixel at least.

        Args:
            counts: of the whole map.
            threshold: foreground is what is as probable or more …
            in_mask: … unless the mask is another: the histogram of the map over that.
        """
        first = foreground_from(threshold) if in_mask is None else 0
        found = counts if in_mask is None else in_mask
        total, inside = int(counts.sum()), int(found[first:].sum())
        # Soft Dice of the map and its own mask: 2Σ(p·m) / (Σp + Σm), Milletari et al. 2016.
        sizes = float(_PROBABILITIES @ counts) + inside
        overlap = 2 * float(_PROBABILITIES[first:] @ found[first:])
        return cls(
            foreground=inside / total,
            confidence=float(np.maximum(_PROBABILITIES, 1 - _PROBABILITIES) @ counts) / total,
            trust=overlap / sizes if sizes else 1.0,
            entropy=float(_ENTROPIES[first:] @ found[first:]) / inside if inside else 0.0,
            highest=float(_PROBABILITIES[np.flatnonzero(counts)[-1]]),
        )

    @property
    def vector(self) -> NDArray[np.float64]:
        """The four that tell the familiar from the strange, on scales on which they are spread evenly."""
        doubt = np.log(max(1 - self.trust, _LEAST_DOUBT)) if self.foreground else 0.0
        return np.array([doubt, np.log(max(1 - self.confidence, _LEAST_DOUBT)), np.sqrt(self.foreground), self.entropy])
