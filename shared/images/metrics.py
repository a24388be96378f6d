"""How well two masks agree, for the worker, the admin and training alike. `training.evaluation.metrics` has more.

Masks are boolean H×W arrays. Every function is pure.
"""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def dice(prediction: Mask, truth: Mask) -> float:
    """Compute the Dice coefficient 2|P∩T| / (|P|+|T|), in [0, 1]; 1.0 when both masks are empty."""
    require_masks(prediction, truth)
    return _share(2 * _count(prediction & truth), _count(prediction) + _count(truth))


def iou(prediction: Mask, truth: Mask) -> float:
    """Compute intersection over union (Jaccard index) |P∩T| / |P∪T|, in [0, 1]; 1.0 when both masks are empty."""
    require_masks(prediction, truth)
    return _share(_count(prediction & truth), _count(prediction | truth))


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


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _share(part: int, whole: int) -> float:
    """Return `part / whole`, where nothing out of nothing is a perfect score."""
    return part / whole if whole else 1.0
