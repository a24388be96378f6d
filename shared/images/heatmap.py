"""Arrays to pictures that people look at: greys stretched, probabilities in colour, a contour drawn over.

Plain numpy, H×W in, H×W or H×W×3 uint8 out.
"""

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels
from shared.images.metrics import boundary

# magma, perceptually uniform and readable in greyscale and by the colour-blind, sampled at 11 equal steps.
# By Stéfan van der Walt and Nathaniel Smith, 2015, released to the public domain (CC0):
# https://bids.github.io/colormap/
_MAGMA_STEPS = "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf"

CONTOUR_COLOUR = (0, 229, 255)
"""Cyan: no grey image holds it, and it stands out from black and from white."""

SHOWN_PERCENTILES = (0.5, 99.5)
"""The intensities shown as black and white; a few outliers must not darken the rest."""

_PERCENTILE_SAMPLE = 2**20  # pixels; enough for the percentiles of a picture to look at
_PIXELS_A_LINE = 256  # an image this wide gets a contour of 1 px, a larger one a wider line


def _magma() -> NDArray[np.uint8]:
    steps = np.array([list(bytes.fromhex(step)) for step in _MAGMA_STEPS.split()], dtype=float)
    at = np.linspace(0, len(steps) - 1, 256)
    channels = [np.interp(at, np.arange(len(steps)), steps[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


MAGMA: NDArray[np.uint8] = _magma()
"""256×3 RGB, from probability 0 (near black) to 1 (pale yellow)."""


def heatmap(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """H×W×3 RGB of an H×W probability map in [0, 1]; values outside are shown as the nearer end."""
    index = (np.clip(probability, 0, 1) * 255).round().astype(np.uint8)
    colours: NDArray[np.uint8] = MAGMA[index]
    return colours


def display_grey(pixels: Pixels) -> NDArray[np.uint8]:
    """H×W uint8 for showing H×W intensities of any unit, stretched between SHOWN_PERCENTILES.

    A constant image becomes black.
    """
    sample = pixels.ravel()[:: max(1, pixels.size // _PERCENTILE_SAMPLE)]
    black, white = (float(value) for value in np.percentile(sample, SHOWN_PERCENTILES))
    if black == white:  # nearly all of one value: show the few others rather than nothing
        black, white = float(pixels.min()), float(pixels.max())
    if black == white:
        return np.zeros(pixels.shape, dtype=np.uint8)
    stretched = (pixels.astype(np.float64) - black) * (255 / (white - black))
    return np.clip(stretched, 0, 255).round().astype(np.uint8)


def overlay(grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """H×W×3 RGB: the contour of `mask` over `grey`."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[contour(mask)] = CONTOUR_COLOUR
    return picture


def contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask's contour, H×W, in a line wide enough to survive a thumbnail."""
    line = boundary(mask)
    for _ in range(max(mask.shape) // (2 * _PIXELS_A_LINE)):
        line = _widen(line)
    return line


def _widen(line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dilation by the 4-neighbourhood: one pixel to each side."""
    wider = line.copy()
    wider[1:] |= line[:-1]
    wider[:-1] |= line[1:]
    wider[:, 1:] |= line[:, :-1]
    wider[:, :-1] |= line[:, 1:]
    return wider
