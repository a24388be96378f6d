"""Random variations of a training sample: where it is cut, how it is bent, and how it was lit and taken.

The shares and ranges are those of nnU-Net (Isensee et al. 2021, supplementary note 4) for two dimensions, which hold up
over very different images; see `AugmentationConfig`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.data.config import AugmentationConfig

Image = NDArray[np.float32]  # H×W, or C×H×W, standardised
Mask = NDArray[np.bool_]  # H×W

_SCALES = (0.7, 1.4)
_BEND_PX, _BEND_CELLS = 0.03, 5  # deviation of a bend, in sides of the sample; cells of its coarse grid
_GAINS, _OFFSET = (0.75, 1.25), 0.2
_GAMMAS = (0.7, 1.5)
_BLUR_PX = (0.5, 1.2)
_NOISE = 0.3  # of the image's deviation, at most


def bend(
    image: Image, mask: Mask, centre: tuple[float, float], size: int, rng: np.random.Generator
) -> tuple[Image, Mask]:
    """Cut a square around a place, scaled, turned by any angle and bent; what lies beyond the image is its mirror.

    Args:
        image: the whole of it.
        mask: likewise.
        centre: row and column, in px.
        size: of the square, in px.
        rng: where chance comes from.
    """
    low, high = np.log(_SCALES)
    scale, angle = np.exp(rng.uniform(low, high)), rng.uniform(0, 2 * np.pi)
    steps = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / scale
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    coarse = rng.normal(0, _BEND_PX * size * rng.uniform(0, 1) / scale, (2, _BEND_CELLS, _BEND_CELLS))
    shifts = ndimage.zoom(
        coarse.astype(np.float32), (1, size / _BEND_CELLS, size / _BEND_CELLS), order=1, grid_mode=True, mode="nearest"
    )
    rows = centre[0] + cosine * steps[:, None] - sine * steps[None] + shifts[0]
    columns = centre[1] + sine * steps[:, None] + cosine * steps[None] + shifts[1]
    places = np.stack([rows, columns])
    bent = _each(image, lambda plane: ndimage.map_coordinates(plane, places, order=1, mode="mirror"))
    inside = ndimage.map_coordinates(mask.view(np.uint8), places, order=0, mode="mirror")
    return bent, inside > 0


def relight(image: Image, config: AugmentationConfig, rng: np.random.Generator) -> Image:
    """Change a cut sample as another exposure, lens or detector would; each of the changes with its share.

    All channels are blurred alike; light changes in each of them by itself, as stains and lamps do.
    """
    if rng.random() < config.blur:
        image = ndimage.gaussian_filter(image, rng.uniform(*_BLUR_PX), axes=(-2, -1))
    if rng.random() < config.gamma:
        image = _each(image, lambda plane: _with_gamma(plane, rng))
    if rng.random() < config.gain:
        image = _each(image, lambda plane: _with_gain(plane, rng))
    if rng.random() < config.noise:
        image = image + np.float32(rng.uniform(0, _NOISE)) * rng.standard_normal(image.shape, dtype=np.float32)
    return image


def _each(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change an image of one channel, or each channel of several."""
    return change(image) if image.ndim == 2 else np.stack([change(plane) for plane in image])


def _with_gain(image: Image, rng: np.random.Generator) -> Image:
    return np.float32(rng.uniform(*_GAINS)) * image + np.float32(rng.uniform(-_OFFSET, _OFFSET))


def _with_gamma(image: Image, rng: np.random.Generator) -> Image:
    """Bend the scale of intensities, from either end, and keep mean and deviation."""
    low, high = float(image.min()), float(image.max())
    if low == high:
        return image
    share, gamma = (image - low) / (high - low), np.exp(rng.uniform(*np.log(_GAMMAS)))
    bent = share**gamma if rng.random() < 0.5 else 1 - (1 - share) ** gamma
    deviation = float(bent.std()) or 1.0
    changed: Image = ((bent - bent.mean()) * (image.std() / deviation) + image.mean()).astype(np.float32)
    return changed
