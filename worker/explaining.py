"""Which reason holds for an unfamiliar picture: a few rules, measured on pictures of each kind; the first is told.

They look at the pixels of one window, where the result is unfamiliar already. `shared.db.reasons` has the words.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.db.reasons import Reason

Pixels = NDArray[np.float32]

_BLOCKS = 8  # a side, for the ground
_ENDS = np.linspace(-1, 1, _BLOCKS)
_MIN_SLOPE = 1.0  # of the ground from one end to the other, in standard deviations of the picture
_MIN_EXPLAINED = 0.9  # of the blocks' differences, by a plane
_MIN_WHITE = 0.25  # of the pixels, of exactly the highest value


def explain(pixels: Pixels) -> Reason:
    """Return the reason for which a window H×W, standardised, is unfamiliar."""
    return next((reason for reason, holds in _RULES if holds(pixels)), Reason.UNLIKE_TRAINING)


def _is_saturated(pixels: Pixels) -> bool:
    return float(np.mean(pixels == pixels.max())) >= _MIN_WHITE


def _is_uneven(pixels: Pixels) -> bool:
    """Whether the ground, by the medians of blocks, which dots hardly move, is a slope."""
    height, width = (side // _BLOCKS for side in pixels.shape)
    blocks = pixels[: _BLOCKS * height, : _BLOCKS * width].reshape(_BLOCKS, height, _BLOCKS, width)
    ground = np.median(blocks, axis=(1, 3)).ravel()
    ground -= ground.mean()
    down, right = np.meshgrid(_ENDS, _ENDS, indexing="ij")
    plane = np.stack([down.ravel(), right.ravel()], axis=1)
    slope = plane @ np.linalg.lstsq(plane, ground, rcond=None)[0]
    explained = 1 - np.sum((ground - slope) ** 2) / max(float(np.sum(ground**2)), 1e-12)
    return bool(np.ptp(slope) >= _MIN_SLOPE and explained >= _MIN_EXPLAINED)


_RULES: tuple[tuple[Reason, Callable[[Pixels], bool]], ...] = (
    (Reason.SATURATED, _is_saturated),
    (Reason.UNEVEN, _is_uneven),
)
