"""The one preprocessing step between a decoded image and the network, shared by training and worker."""

import numpy as np
from numpy.typing import NDArray

PREPROCESSING_VERSION = "standardise-v1"
"""Stored with every result and every checkpoint; a change of `standardise` is a new version."""


def standardise(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift and scale an H×W image to zero mean and unit variance over all its pixels.

    The result is the same for `image` and for `gain · image + offset` (gain > 0), up to rounding, so the
    bit depth, gain and black level of a scan do not matter. A constant image becomes zeros. Sums run in
    float64, since a 16-megapixel float32 sum loses the digits that a low-contrast image lives on.

    Args:
        image: H×W, float32, finite, any units.

    Returns:
        H×W, float32.
    """
    # Rounding can leave a tiny variance on a constant image, which division would blow up to full scale.
    if image.min() == image.max():
        return np.zeros_like(image)
    # In float64 before squaring: intensities near 1e30 would overflow, a large offset would cancel.
    centred: NDArray[np.float64] = image.astype(np.float64)
    centred -= centred.mean()
    centred /= np.sqrt(np.vdot(centred, centred) / centred.size)
    return centred.astype(np.float32)
