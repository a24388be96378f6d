"""How well two masks agree, for the worker, the admin and training alike. `training.evaluation.metrics` has more.

Masks are boolean H×W arrays. Every function is pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """How many pixels two masks set together, and each of them; every score is in [0, 1]."""

    both: int
    predicted: int
    true: int

    @classmethod
    def of(cls, prediction: Mask, truth: Mask) -> Self:
        """Count the pixels of two masks."""
        return cls.of_parts([(prediction, truth)])

    @classmethod
    def of_parts(cls, parts: Iterable[tuple[Mask, Mask]]) -> Self:
        """Count the pixels of two masks that come in parts, each a prediction and its truth."""
        both = predicted = true = 0
        for prediction, truth in parts:
            require_masks(prediction, truth)
            both += int(np.count_nonzero(prediction & truth))
            predicted += int(np.count_nonzero(prediction))
            true += int(np.count_nonzero(truth))
        return cls(both, predicted, true)

    @property
    def dice(self) -> float:
        """2|P∩T| / (|P|+|T|); 1.0 when both masks are empty."""
        return _share(2 * self.both, self.predicted + self.true)

    @property
    def iou(self) -> float:
        """Intersection over union (Jaccard index) |P∩T| / |P∪T|; 1.0 when both masks are empty."""
        return _share(self.both, self.predicted + self.true - self.both)

    @property
    def precision(self) -> float:
        """The share of the predicted pixels that are true, |P∩T| / |P|; of an empty prediction, 1.0."""
        return _share(self.both, self.predicted)

    @property
    def recall(self) -> float:
        """The share of the true pixels that are predicted, |P∩T| / |T|; of an empty truth, 1.0."""
        return _share(self.both, self.true)


def dice(prediction: Mask, truth: Mask) -> float:
    """Compute the Dice coefficient, see `Overlap`."""
    return Overlap.of(prediction, truth).dice


def boundary(mask: Mask) -> Mask:
    """Return the foreground pixels with a 4-neighbour in the background; outside the image is background."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def require_masks(prediction: Mask, truth: Mask) -> None:
    """Refuse what would give a plausible wrong number.

    Raises:
        TypeError: one of them is not boolean.
        ValueError: they are not two H×W arrays of one shape.
    """
    if prediction.dtype != np.bool_ or truth.dtype != np.bool_:
        raise TypeError(f"masks must be boolean, not {prediction.dtype} and {truth.dtype}")
    require_same_shape(prediction.shape, truth.shape)


def require_same_shape(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """Refuse arrays that cannot be compared pixel by pixel.

    Raises:
        ValueError: they are not two H×W arrays of one shape.
    """
    if first != second or len(first) != 2:
        raise ValueError(f"two H×W arrays of one shape are needed, not {first} and {second}")


def _share(part: int, whole: int) -> float:
    """Return `part / whole`, where nothing out of nothing is a perfect score."""
    return part / whole if whole else 1.0
