"""How well a mask or a probability map agrees with the truth, for worker, training and tests alike.

Masks are boolean H×W arrays, probabilities float arrays in [0, 1] of the same shape. Distances are in
pixels, between pixel centres. Every function is pure.
"""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Probability = NDArray[np.floating]


def dice(prediction: Mask, truth: Mask) -> float:
    """Dice coefficient 2|P∩T| / (|P|+|T|), in [0, 1]; 1.0 when both masks are empty."""
    _require_masks(prediction, truth)
    return _share(2 * _count(prediction & truth), _count(prediction) + _count(truth))


def iou(prediction: Mask, truth: Mask) -> float:
    """Intersection over union (Jaccard index) |P∩T| / |P∪T|, in [0, 1]; 1.0 when both masks are empty."""
    _require_masks(prediction, truth)
    return _share(_count(prediction & truth), _count(prediction | truth))


def precision(prediction: Mask, truth: Mask) -> float:
    """Share of the predicted pixels that are true, |P∩T| / |P|; of an empty prediction, 1.0."""
    _require_masks(prediction, truth)
    return _share(_count(prediction & truth), _count(prediction))


def recall(prediction: Mask, truth: Mask) -> float:
    """Share of the true pixels that are predicted, |P∩T| / |T|; of an empty truth, 1.0."""
    _require_masks(prediction, truth)
    return _share(_count(prediction & truth), _count(truth))


def expected_dice(probability: Probability, mask: Mask) -> float:
    """Dice that a calibrated probability map expects of its own mask: 2Σ(p·m) / (Σp + Σm), in [0, 1].

    Needs no truth, which makes it the trust score of an item. It is the ratio of the expected intersection
    to the expected sizes (the soft Dice of Milletari et al. 2016), 1.0 when both sums are zero. An empty
    mask over a map with any probability left scores 0.0.
    """
    _require_probability(probability, mask)
    total = float(probability.sum(dtype=np.float64)) + _count(mask)
    return _share(2 * float(probability.sum(dtype=np.float64, where=mask)), total)


def boundary_f1(prediction: Mask, truth: Mask, tolerance_px: float = 2.0) -> float:
    """F1 of the two boundaries, a boundary pixel being right within `tolerance_px` of the other boundary.

    Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013. In [0, 1];
    1.0 when both masks are empty, 0.0 when one is.
    """
    _require_masks(prediction, truth)
    predicted, true = boundary(prediction), boundary(truth)
    if not predicted.any() or not true.any():
        return float(predicted.any() == true.any())
    right = float((_distances(predicted, true) <= tolerance_px).mean())
    found = float((_distances(true, predicted) <= tolerance_px).mean())
    return _share(2 * right * found, right + found) if right + found else 0.0


def hausdorff95(prediction: Mask, truth: Mask) -> float:
    """95th-percentile Hausdorff distance between the two boundaries, in pixels.

    The larger of the two directed 95th percentiles (linear interpolation between ranks). 0.0 when both
    masks are empty; the image's diagonal when one is, the largest error that its size allows, so that a
    mean over many images stays finite and a missed shape still counts.
    """
    _require_masks(prediction, truth)
    predicted, true = boundary(prediction), boundary(truth)
    if not predicted.any() or not true.any():
        return 0.0 if predicted.any() == true.any() else float(np.hypot(*truth.shape))
    directed = (_distances(predicted, true), _distances(true, predicted))
    return max(float(np.percentile(distances, 95)) for distances in directed)


class Calibration:
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

    def error(self) -> float:
        """The error so far.

        Raises:
            ValueError: no image was added yet.
        """
        if not self._pixels:
            raise ValueError("no image was added")
        return float(np.abs(self._expected - self._observed).sum() / self._pixels)


def expected_calibration_error(probability: Probability, truth: Mask, bins: int = 15) -> float:
    """The expected calibration error of one image, see `Calibration`."""
    calibration = Calibration(bins)
    calibration.add(probability, truth)
    return calibration.error()


def boundary(mask: Mask) -> Mask:
    """Foreground pixels with a 4-neighbour in the background; outside the image is background."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def _distances(points: Mask, targets: Mask) -> NDArray[np.float64]:
    """Exact Euclidean distance from each pixel of `points` to the nearest pixel of `targets` (not empty).

    Two passes, as in Meijster's distance transform: first the distance to the nearest target in each
    column, then a search outward over the columns, which a point leaves once no farther column can win.
    Memory is O(H·W); time grows with points × distance, and the boundaries compared here are near.
    """
    window = _bounding_box(points | targets)
    points, targets = points[window], targets[window]
    vertical = _distance_along_column(targets)
    rows, columns = np.nonzero(points)
    width = points.shape[1]
    best = vertical[rows, columns] ** 2
    for step in range(1, width):
        searching = np.flatnonzero(best > step * step)
        if not searching.size:
            break
        for direction in (-step, step):
            column = columns[searching] + direction
            seen = searching[(column >= 0) & (column < width)]
            candidate = vertical[rows[seen], columns[seen] + direction] ** 2 + step * step
            best[seen] = np.minimum(best[seen], candidate)
    return np.sqrt(best)


def _bounding_box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _distance_along_column(targets: Mask) -> NDArray[np.int64]:
    """Distance from each pixel to the nearest target in its column; H + W, more than any, where none is."""
    height, width = targets.shape
    row = np.arange(height)[:, None]
    none = height + width
    above = np.maximum.accumulate(np.where(targets, row, -2 * none), axis=0)
    below = np.minimum.accumulate(np.where(targets, row, 2 * none)[::-1], axis=0)[::-1]
    nearest: NDArray[np.int64] = np.minimum(np.minimum(row - above, below - row), none)
    return nearest


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _share(part: float, whole: float) -> float:
    """`part / whole`, where nothing out of nothing is a perfect score."""
    return part / whole if whole else 1.0


def _require_masks(prediction: Mask, truth: Mask) -> None:
    if prediction.dtype != np.bool_ or truth.dtype != np.bool_:
        raise TypeError(f"masks must be boolean, not {prediction.dtype} and {truth.dtype}")
    _require_same_shape(prediction.shape, truth.shape)


def _require_probability(probability: Probability, mask: Mask) -> None:
    if mask.dtype != np.bool_:
        raise TypeError(f"the mask must be boolean, not {mask.dtype}")
    # An 8-bit map taken for probabilities would give a plausible wrong number.
    if not np.issubdtype(probability.dtype, np.floating):
        raise TypeError(f"probabilities must be floating point in [0, 1], not {probability.dtype}")
    _require_same_shape(probability.shape, mask.shape)


def _require_same_shape(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    if first != second or len(first) != 2:
        raise ValueError(f"two H×W arrays of one shape are needed, not {first} and {second}")
