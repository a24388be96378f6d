"""Which reason holds for an unfamiliar picture: a few rules, measured on pictures of each kind; the first is told.

They look at the pixels of one window, where the result is unfamiliar already. `shared.db.reasons` has the words.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.db.reasons import Reason
from worker.spacing import dots_of
from worker.writing import is_writing

Pixels = NDArray[np.float32]

_BLOCKS = 8  # a side, for the ground
_STEP = 2  # px; every fourth pixel says enough of a block's median
_ENDS = np.linspace(-1, 1, _BLOCKS)
_MIN_SLOPE = 1.0  # of the ground from one end to the other, in standard deviations of the picture
_MIN_EXPLAINED = 0.9  # of the blocks' differences, by a plane
_MIN_WHITE = 0.25  # of the pixels, of exactly the highest value


def explain(pixels: Pixels) -> Reason:
    """Return the reason for which a window H×W, standardised, is unfamiliar."""
    return next((reason for rule in _RULES if (reason := rule(pixels)) is not None), Reason.UNLIKE_TRAINING)


def _saturated(pixels: Pixels) -> Reason | None:
    return Reason.SATURATED if float(np.mean(pixels == pixels.max())) >= _MIN_WHITE else None


def _uneven(pixels: Pixels) -> Reason | None:
    """Tell a ground that is a slope, by the medians of blocks, which dots hardly move."""
    if min(pixels.shape) < _STEP * _BLOCKS:
        return None
    some = pixels[::_STEP, ::_STEP]
    height, width = (side // _BLOCKS for side in some.shape)
    blocks = some[: _BLOCKS * height, : _BLOCKS * width].reshape(_BLOCKS, height, _BLOCKS, width).swapaxes(1, 2)
    ground = np.median(blocks.reshape(_BLOCKS**2, -1), axis=1)
    ground -= ground.mean()
    down, right = np.meshgrid(_ENDS, _ENDS, indexing="ij")
    plane = np.stack([down.ravel(), right.ravel()], axis=1)
    slope = plane @ np.linalg.lstsq(plane, ground, rcond=None)[0]
    explained = 1 - np.sum((ground - slope) ** 2) / max(float(np.sum(ground**2)), 1e-12)
    return Reason.UNEVEN if np.ptp(slope) >= _MIN_SLOPE and explained >= _MIN_EXPLAINED else None


def _another_scale(pixels: Pixels) -> Reason | None:
    """Tell dots that are larger and further apart, or smaller and closer: a picture that was enlarged or shrunk."""
    dots = dots_of(pixels)
    if dots.are_coarse:
        return Reason.TOO_COARSE
    return Reason.TOO_FINE if dots.are_fine else None


def _writing(pixels: Pixels) -> Reason | None:
    return Reason.WRITING if is_writing(pixels) else None


_RULES: tuple[Callable[[Pixels], Reason | None], ...] = (_writing, _saturated, _uneven, _another_scale)
