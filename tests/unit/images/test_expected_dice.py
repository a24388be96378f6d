"""The trust score's definition against known values."""

import numpy as np
import pytest

from shared.images.metrics import dice
from tests.expected_dice import expected_dice

SQUARE = np.zeros((40, 50), dtype=bool)
SQUARE[10:20, 10:20] = True
SHIFTED = np.roll(SQUARE, 5, axis=1)
EMPTY = np.zeros_like(SQUARE)


def test_expected_dice_of_a_certain_map_is_dice():
    certain = SHIFTED.astype(np.float32)
    assert expected_dice(certain, SQUARE) == pytest.approx(dice(SQUARE, SHIFTED))


def test_expected_dice_of_known_maps():
    half_sure = np.where(SQUARE, np.float32(0.5), np.float32(0))
    assert expected_dice(half_sure, SQUARE) == pytest.approx(2 * 50 / (50 + 100))
    nothing = np.zeros(SQUARE.shape, dtype=np.float32)
    assert expected_dice(nothing, EMPTY) == 1.0
    assert expected_dice(nothing, SQUARE) == 0.0
    assert expected_dice(half_sure, EMPTY) == 0.0


def test_expected_dice_predicts_the_mean_dice_of_a_calibrated_map():
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=(200, 200))
    mask = probability > 0.5
    scores = [dice(mask, rng.uniform(size=probability.shape) < probability) for _ in range(20)]
    assert expected_dice(probability, mask) == pytest.approx(np.mean(scores), abs=0.01)
