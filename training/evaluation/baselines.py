"""Classical segmentation, from scikit-image, for scale: what can be had without learning."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve
from skimage.filters import threshold_otsu
from skimage.morphology import convex_hull_image, isotropic_closing, isotropic_opening
from skimage.restoration import denoise_bilateral, denoise_nl_means

Image = NDArray[np.float64]  # (H, W) in [0, 1]
Mask = NDArray[np.bool_]

CLOSING_RADIUS_PX = 24  # bridges the gaps between the dots of most scenes
_SPECK_RADIUS_PX = 1.5  # what is thinner is noise rather than a dot


def otsu(image: Image) -> Mask:
    """Take the pixels over Otsu's threshold."""
    if image.min() == image.max():
        return np.zeros(image.shape, dtype=bool)
    mask: Mask = image > threshold_otsu(image)
    return mask


def bilateral_otsu(image: Image) -> Mask:
    """Apply Otsu after a bilateral filter."""
    return otsu(denoise_bilateral(image, win_size=7, sigma_color=0.3, sigma_spatial=3))


def nlm_otsu(image: Image) -> Mask:
    """Apply Otsu after non-local means of the estimated noise strength."""
    sigma = max(_noise_strength(image), 1 / 255)
    return otsu(denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True))


def nlm_closing(image: Image) -> Mask:
    """Close the dots found after non-local means to one area."""
    mask: Mask = isotropic_closing(_dots(image), CLOSING_RADIUS_PX)
    return mask


def nlm_hull(image: Image) -> Mask:
    """Take the convex hull of the dots found after non-local means."""
    mask = _dots(image)
    if mask.any():
        mask = convex_hull_image(mask)
    return mask


def _noise_strength(image: Image) -> float:
    """Estimate the standard deviation of white noise, by the median of what two crossed second differences leave.

    Immerkær, "Fast noise variance estimation", 1996.
    """
    second = np.array([1.0, -2.0, 1.0])
    rest = convolve(image, np.outer(second, second), mode="reflect")
    return float(1.4826 * np.median(np.abs(rest)) / 6)


def _dots(image: Image) -> Mask:
    mask: Mask = isotropic_opening(nlm_otsu(image), _SPECK_RADIUS_PX)
    return mask


BASELINES: dict[str, Callable[[Image], Mask]] = {
    "Otsu": otsu,
    "bilateral filter, Otsu": bilateral_otsu,
    "non-local means, Otsu": nlm_otsu,
    f"non-local means, Otsu, closing {CLOSING_RADIUS_PX} px": nlm_closing,
    "non-local means, Otsu, convex hull": nlm_hull,
}
