"""Whether colour says anything in an image that its light does not: what decides between one channel and three."""

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import DecodedImage, Pixels
from shared.images.pairs.layout import Pair
from training.data.pairs.reading import read_image

COLOURS = 3  # channels of a colour image
_GREY_MODES = ("grey", "grey+alpha")
_LOOK_PX = 2**16  # of an image, that are looked at
_LEAST_DEVIATION = 0.02  # of the largest channel's, below which a channel shows nothing but its noise


def colour_of(pair: Pair, image: DecodedImage) -> float:
    """Return the share of what varies in an image that its light does not show, in [0, 1].

    0 of an image of one channel, and of any that is drawn in a single tint; 2/3 where red, green and blue have nothing
    to do with one another.

    Args:
        pair: whose image it is.
        image: as it was read, grey.
    """
    if image.mode in _GREY_MODES:
        return 0.0
    pixels = read_image(pair.image, COLOURS).pixels
    return colourfulness(pixels) if pixels.ndim == 3 else 0.0


def colourfulness(pixels: Pixels) -> float:
    """Return the same of red, green and blue, 3×H×W: one less the share of the first of their principal components.

    Each channel counts alike, however much it varies, as it does for the network.
    """
    step = max(1, round((pixels[0].size / _LOOK_PX) ** 0.5))
    values: NDArray[np.float64] = pixels[:, ::step, ::step].reshape(len(pixels), -1).astype(np.float64)
    deviations = values.std(axis=1)
    if not deviations.any():
        return 0.0
    scale = np.maximum(deviations, _LEAST_DEVIATION * deviations.max())
    variances = np.linalg.eigvalsh(np.cov((values - values.mean(axis=1, keepdims=True)) / scale[:, None]))
    return float(1 - variances[-1] / variances.sum())
