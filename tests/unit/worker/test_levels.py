import numpy as np
import pytest

from tests.expected_dice import expected_dice
from worker.levels import Measured, count_levels, foreground_from


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 128 / 255, 1.0, 1.1])
@pytest.mark.parametrize("highest", [1, 40, 256])
def test_measurements_from_counts_are_those_of_the_map(threshold: float, highest: int) -> None:
    levels = np.random.default_rng(0).integers(0, highest, (120, 77), dtype=np.uint8)
    probability = levels * np.float32(1 / 255)
    mask = probability >= threshold
    np.testing.assert_array_equal(levels >= foreground_from(threshold), mask)
    measured = Measured.of(count_levels(levels), threshold)
    assert measured.foreground == mask.mean()
    assert measured.confidence == pytest.approx(np.maximum(probability, 1 - probability).mean(dtype=np.float64), 1e-6)
    assert measured.trust == pytest.approx(expected_dice(probability, mask), 1e-6)
