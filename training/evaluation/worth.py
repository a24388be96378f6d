"""What a result is worth to its user, which its quality estimates and evaluation counts."""

import numpy as np
from numpy.typing import NDArray

from shared.images.metrics import dice

BAD = 0.7
"""A result that is worth less is a bad one."""
MAX_FALSE_FOREGROUND = 0.005
"""The share of a picture in which there is nothing that may be answered foreground, exclusive."""


def worth(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the Dice of a mask; where there is nothing, 1 if nothing was rightly found and 0 if something was made up.

    Args:
        mask: H×W.
        truth: of the same shape; nowhere True where there is nothing to be found.
    """
    return dice(mask, truth) if truth.any() else float(mask.mean() < MAX_FALSE_FOREGROUND)
