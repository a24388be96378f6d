"""Each metric against known values and, where it is clever, against its definition by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from shared.images.metrics import Mask, boundary
from training.evaluation import metrics

SHAPE = (40, 50)


def rectangle(top: int, left: int, bottom: int, right: int, shape: tuple[int, int] = SHAPE) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


EMPTY = rectangle(0, 0, 0, 0)
SQUARE = rectangle(10, 10, 20, 20)  # 100 px
SHIFTED = rectangle(10, 15, 20, 25)  # 100 px, 50 of them shared

two_masks = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


def boundary_f1(prediction: Mask, truth: Mask, tolerance_px: float = 2.0) -> float:
    return metrics.BoundaryDistances.of(prediction, truth).f1(tolerance_px)


def hausdorff95(prediction: Mask, truth: Mask) -> float:
    return metrics.BoundaryDistances.of(prediction, truth).hausdorff95()


def test_boundary_f1_forgives_shifts_within_the_tolerance():
    assert boundary_f1(SQUARE, rectangle(12, 10, 22, 20), tolerance_px=2.0) == 1.0
    assert boundary_f1(SQUARE, rectangle(13, 10, 23, 20), tolerance_px=2.0) < 0.9
    assert boundary_f1(SQUARE, rectangle(30, 30, 39, 39)) == 0.0


def test_boundary_f1_of_empty_masks():
    assert boundary_f1(EMPTY, EMPTY) == 1.0
    assert boundary_f1(EMPTY, SQUARE) == boundary_f1(SQUARE, EMPTY) == 0.0


def test_hausdorff95_of_known_masks():
    assert hausdorff95(SQUARE, SQUARE) == 0.0
    # Moved by more than their size, all contour points are between 20 and 29 px apart from the other square.
    assert 20 <= hausdorff95(SQUARE, rectangle(10, 39, 20, 49)) <= 29
    point, other = rectangle(0, 0, 1, 1), rectangle(3, 4, 4, 5)
    assert hausdorff95(point, other) == 5.0


def test_hausdorff95_of_empty_masks():
    assert hausdorff95(EMPTY, EMPTY) == 0.0
    assert hausdorff95(EMPTY, SQUARE) == hausdorff95(SQUARE, EMPTY) == np.hypot(*SHAPE)


def brute_force_distances(points: Mask, targets: Mask) -> np.ndarray:
    """All pairs of boundary pixels."""
    from_, to = np.argwhere(points), np.argwhere(targets)
    return np.sqrt(((from_[:, None] - to[None]) ** 2).sum(-1)).min(1)


@given(two_masks)
@settings(max_examples=100, deadline=None)
def test_distances_equal_brute_force(masks):
    prediction, truth = masks
    if not prediction.any() or not truth.any():
        return
    a, b = boundary(prediction), boundary(truth)
    there, back = brute_force_distances(a, b), brute_force_distances(b, a)
    assert hausdorff95(prediction, truth) == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    right, found = (there <= 2).mean(), (back <= 2).mean()
    f1 = 2 * right * found / (right + found) if right + found else 0
    assert boundary_f1(prediction, truth) == pytest.approx(f1)


@given(two_masks)
@settings(max_examples=60, deadline=None)
def test_identities_between_the_metrics(masks):
    prediction, truth = masks
    assert hausdorff95(prediction, truth) == hausdorff95(truth, prediction)
    assert boundary_f1(prediction, truth) == pytest.approx(boundary_f1(truth, prediction))


def test_calibration_error_of_known_maps():
    truth = rectangle(0, 0, 20, 50)  # half of the pixels
    assert metrics.expected_calibration_error(truth.astype(np.float32), truth) == 0.0
    assert metrics.expected_calibration_error((~truth).astype(np.float32), truth) == 1.0
    assert metrics.expected_calibration_error(np.full(SHAPE, 0.5, np.float32), truth) == pytest.approx(0.0)
    assert metrics.expected_calibration_error(np.full(SHAPE, 0.9, np.float32), truth) == pytest.approx(0.4)


def test_calibration_error_does_not_let_bins_cancel_out():
    truth = rectangle(0, 0, 20, 50)
    probability = np.where(truth, 0.8, 0.2)  # unsure by 0.2 on both sides; the overall mean is right
    assert metrics.expected_calibration_error(probability, truth) == pytest.approx(0.2)


def test_calibration_is_of_all_images_together():
    truth = rectangle(0, 0, 20, 50)
    calibration = metrics.CalibrationError()
    calibration.add(np.full(SHAPE, 0.6, np.float32), truth)  # 0.1 too sure
    calibration.add(np.full(SHAPE, 0.6, np.float32), rectangle(0, 0, 28, 50))  # 0.7 of the pixels: 0.1 too low
    assert calibration.value() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="no image"):
        metrics.CalibrationError().value()


def test_calibration_error_of_a_calibrated_map_is_small():
    rng = np.random.default_rng(1)
    probability = rng.uniform(size=(400, 400)).astype(np.float32)
    truth = rng.uniform(size=probability.shape) < probability
    assert metrics.expected_calibration_error(probability, truth) < 0.01


def test_arguments_that_would_give_a_plausible_wrong_number_are_refused():
    with pytest.raises(TypeError, match="boolean"):
        hausdorff95(SQUARE, SQUARE.astype(np.uint8))
    with pytest.raises(TypeError, match="floating point"):
        metrics.expected_calibration_error(SQUARE.astype(np.uint8), SQUARE)
    with pytest.raises(ValueError, match="one shape"):
        hausdorff95(SQUARE, SQUARE[:-1])


def test_distances_stay_cheap_on_large_ragged_masks():
    """Speckled masks have boundaries of 10⁵ pixels; all pairs of them would be 10¹⁰."""
    rng = np.random.default_rng(2)
    prediction, truth = rng.random((2, 1024, 1024)) < 0.2
    assert hausdorff95(prediction, truth) < 10
