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


_CLEARLY = 1.8  # times the luma's contrast, for a channel to be taken in its place
_HIDDEN = 0.35  # of the channel's range, that the luma's then is less than: else it is a picture in one tint
_CELL = 4  # px; pixels are averaged over such squares, so that noise counts less than what is drawn
_MIN_NOISE = 0.02  # of the channels' range
_MAX_CELLS = 2**12


def channel_of_contrast(rgb: NDArray[Any]) -> str | None:
    """Name the channel, "red", "green" or "blue", in which far more is to be seen than in the luma; None is usual.

    Red dots on green ground may have the ground's own luma. What is to be seen is how far the brightest or darkest
    hundredth of the squares of 4 × 4 pixels is from their median, against the squares' usual distance from it.

    Args:
        rgb: H×W×C with R, G, B first.
    """
    some = rgb[::_CELL, ::_CELL]
    if (some[..., 1] == some[..., 0]).all() and (some[..., 2] == some[..., 0]).all():  # grey
        return None
    channels = _cells(rgb)
    if not len(channels) or np.count_nonzero(np.ptp(channels, axis=0)) < 2:  # one colour alone: luma is that, too
        return None
    grey = channels @ np.array(REC_601_LUMA, dtype=np.float32)
    values = np.column_stack([grey, channels])
    low, median, high = np.percentile(values, (0.2, 50, 99.8), axis=0)
    noise = 1.4826 * np.median(np.abs(values - median), axis=0)
    contrasts = np.maximum(high - median, median - low) / np.maximum(noise, _MIN_NOISE * np.ptp(channels) + 1e-30)
    best = int(contrasts[1:].argmax())
    ranges = high - low
    is_hidden = contrasts[1 + best] > _CLEARLY * contrasts[0] and ranges[0] < _HIDDEN * ranges[1 + best]
    return ("red", "green", "blue")[best] if is_hidden else None


def _cells(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Means of R, G and B over squares of pixels, (squares, 3); of a large image some rows of squares will do."""
    height, width = (side // _CELL * _CELL for side in rgb.shape[:2])
    step = max(height * width // _CELL**2 // _MAX_CELLS, 1)
    strips = rgb[:height, :width, :3].reshape(height // _CELL, _CELL, width, 3)[::step]
    down = strips.sum(axis=1, dtype=np.float32)  # rows lie together in memory: columns of the few that are left
    means: NDArray[np.float32] = down.reshape(len(strips), width // _CELL, _CELL, 3).mean(axis=2).reshape(-1, 3)
    return means / np.float32(_CELL)
