import numpy as np
import pytest

from shared.db.measurements import MEASUREMENTS, NEED_SCORES, NEED_TRUTH
from shared.images.probabilities import foreground_from, histogram
from shared.net.witness import Verdict
from tests.expected_dice import expected_dice
from worker.measuring import MaskNumbers, compare, measure


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 128 / 255, 1.0, 1.1])
@pytest.mark.parametrize("highest", [1, 40, 256])
def test_measurements_from_counts_are_those_of_the_map(threshold: float, highest: int) -> None:
    levels = np.random.default_rng(0).integers(0, highest, (120, 77), dtype=np.uint8)
    probability = levels * np.float32(1 / 255)
    mask = probability >= threshold
    np.testing.assert_array_equal(levels >= foreground_from(threshold), mask)
    measured = measure(histogram(levels), threshold)
    assert measured.foreground == mask.mean()
    assert measured.confidence == pytest.approx(np.maximum(probability, 1 - probability).mean(dtype=np.float64), 1e-6)
    assert measured.trust == pytest.approx(expected_dice(probability, mask), 1e-6)


@pytest.mark.parametrize("values", [(0,), (255,), (0, 255), (0, 1, 254, 255), (127, 128)])
def test_no_measurement_leaves_its_range(values: tuple[int, ...]) -> None:
    levels = np.resize(np.array(values, np.uint8), (37, 29))
    mask = levels >= foreground_from(0.5)
    found = MaskNumbers(objects=1, area=int(mask.sum()))
    measured = compare(measure(histogram(levels), 0.5, found=found), [(mask, ~mask)])
    for name, measurement in MEASUREMENTS.items():
        assert name in NEED_SCORES or measurement.holds(getattr(measured, name)), name


def test_only_what_needs_a_truth_or_fitted_scores_waits_for_them() -> None:
    levels = np.eye(20, dtype=np.uint8) * 255
    measured = measure(histogram(levels), 0.5, found=MaskNumbers(objects=1, area=20))
    assert {name for name, value in vars(measured).items() if value is None} == NEED_TRUTH | NEED_SCORES
    mask = levels > 0
    compared = compare(measured, [(mask[:3], mask[:3]), (mask[3:], mask[3:])])
    assert (compared.dice, compared.iou, compared.precision, compared.recall) == (1.0, 1.0, 1.0, 1.0)
    assert vars(compared) | dict.fromkeys(NEED_TRUTH) == vars(measured)


def test_a_verdict_s_numbers_stand_beside_the_map_s() -> None:
    levels = np.eye(20, dtype=np.uint8) * 255
    measured = measure(histogram(levels), 0.5, Verdict(quality=0.8, quality_low=0.7, familiarity=0.3))
    assert (measured.quality, measured.quality_low, measured.familiarity) == (0.8, 0.7, 0.3)
    assert measured.trust == measure(histogram(levels), 0.5).trust
