"""The Dice that a map expects of its mask, by its definition: what the worker computes from counts of levels."""

import numpy as np
from numpy.typing import NDArray


def expected_dice(probability: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """2Σ(p·m) / (Σp + Σm), in [0, 1], of a calibrated map of probabilities; 1.0 when both sums are zero.

    The ratio of the expected intersection to the expected sizes (the soft Dice of Milletari et al. 2016).
    """
    assert np.issubdtype(probability.dtype, np.floating)
    total = float(probability.sum(dtype=np.float64)) + int(np.count_nonzero(mask))
    return 2 * float(probability.sum(dtype=np.float64, where=mask)) / total if total else 1.0
