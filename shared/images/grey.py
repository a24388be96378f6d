"""Channels to one grey channel, in the units of the input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REC_601_LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B: ITU-R BT.601-7, section 2.5.1. Y of JPEG and TIFF YCbCr is the same sum."""


def luma(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Rec. 601 luma, H×W float32, of H×W×C with R, G, B first; what follows them (alpha) is left out."""
    # Channel by channel, since H×W×3 in float32 is three times the memory.
    grey = np.zeros(rgb.shape[:2], dtype=np.float32)
    for channel, weight in enumerate(REC_601_LUMA):
        grey += rgb[..., channel].astype(np.float32) * np.float32(weight)
    return grey


def luma_of_cmyk(cmyk: NDArray[Any], full_ink: int) -> NDArray[np.float32]:
    """Rec. 601 luma, H×W float32, of H×W×(≥4) ink amounts in 0..full_ink, by R = (1 − C)(1 − K) and so on."""
    paper = np.float32(full_ink) - luma(cmyk)  # luma is linear and its weights add up to 1
    paper *= np.float32(full_ink) - cmyk[..., 3].astype(np.float32)
    paper /= np.float32(full_ink)
    return paper
