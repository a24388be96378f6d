"""How well a mask or a probability map agrees with the truth: what evaluation reports beside their overlap.

Masks are boolean H×W arrays, probabilities float arrays in [0, 1] of the same shape. Distances are in pixels, between
pixel centres. Every function is pure.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from shared.images.metrics import Mask, boundary, require_masks, require_same_shape

Probability = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BoundaryDistances:
    """How far the boundaries of two masks are from each other, in pixels; both arrays are empty where a mask is."""

    there: NDArray[np.float64]  # from each boundary pixel of the prediction to the nearest of the truth
    back: NDArray[np.float64]
    are_both_empty: bool
    diagonal: float  # of the image

    @classmethod
    def of(cls, prediction: Mask, truth: Mask) -> Self:
        """Measure two masks."""
        require_masks(prediction, truth)
        predicted, true = boundary(prediction), boundary(truth)
        diagonal = float(np.hypot(*truth.shape))
        if not predicted.any() or not true.any():
            nothing = np.empty(0)
            return cls(nothing, nothing, bool(predicted.any() == true.any()), diagonal)
        rows, columns = (np.flatnonzero((predicted | true).any(axis=axis)) for axis in (1, 0))
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        predicted, true = predicted[window], true[window]
        there, back = distance_transform_edt(~true)[predicted], distance_transform_edt(~predicted)[true]
        return cls(there, back, are_both_empty=False, diagonal=diagonal)

    def f1(self, tolerance_px: float = 2.0) -> float:
        """Compute the boundary F1, a boundary pixel being right within `tolerance_px` of the other boundary.

        Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013. In [0, 1];
        1.0 when both masks are empty, 0.0 when one is.
        """
        if not self.there.size:
            return float(self.are_both_empty)
        right, found = (float((distances <= tolerance_px).mean()) for distances in (self.there, self.back))
        return 2 * right * found / (right + found) if right + found else 0.0

    def hausdorff95(self) -> float:
        """Compute the 95th-percentile Hausdorff distance.

        The larger of the two directed 95th percentiles (linear interpolation between ranks). 0.0 when both
        masks are empty; the image's diagonal when one is, the largest error that its size allows, so that a
        mean over many images stays finite and a missed shape still counts.
        """
        if not self.there.size:
            return 0.0 if self.are_both_empty else self.diagonal
        return max(float(np.percentile(distances, 95)) for distances in (self.there, self.back))


class CalibrationError:
    """Expected calibration error of the foreground probability over the pixels of all images added, in [0, 1].

    Σ_b n_b/N · |mean p in b − share of true pixels in b| over `bins` bins of equal width (Naeini et al.,
    AAAI 2015, for the foreground class rather than for the winning one).
    """

    def __init__(self, bins: int = 15) -> None:
        self._bins = bins
        self._pixels = 0
        self._expected = np.zeros(bins)
        self._observed = np.zeros(bins)

    def add(self, probability: Probability, truth: Mask) -> None:
        """Count the pixels of an image, H×W both."""
        _require_probability(probability, truth)
        p = probability.ravel().astype(np.float64)
        index = np.minimum((p * self._bins).astype(np.intp), self._bins - 1)
        self._pixels += p.size
        self._expected += np.bincount(index, weights=p, minlength=self._bins)
        self._observed += np.bincount(index, weights=truth.ravel(), minlength=self._bins)

    def value(self) -> float:
        """Return the error so far.

        Raises:
            ValueError: no image was added.
        """
        if not self._pixels:
            raise ValueError("no image was added")
        return float(np.abs(self._expected - self._observed).sum() / self._pixels)


def expected_calibration_error(probability: Probability, truth: Mask, bins: int = 15) -> float:
    """Compute the expected calibration error of one image, see `CalibrationError`."""
    calibration = CalibrationError(bins)
    calibration.add(probability, truth)
    return calibration.value()


def _require_probability(probability: Probability, truth: Mask) -> None:
    if truth.dtype != np.bool_:
        raise TypeError(f"the mask must be boolean, not {truth.dtype}")
    # An 8-bit map taken for probabilities would give a plausible wrong number.
    if not np.issubdtype(probability.dtype, np.floating):
        raise TypeError(f"probabilities must be floating point in [0, 1], not {probability.dtype}")
    require_same_shape(probability.shape, truth.shape)
