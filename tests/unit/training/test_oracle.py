import numpy as np
import pytest

from shared.images.metrics import dice
from shared.synth import find_definition
from training.evaluation.oracle import ESTIMATORS, oracle_scores


@pytest.mark.parametrize("name", ESTIMATORS)
def test_many_dots_tell_the_outline(name):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (4000, 2))
    centres = 128 + 70 * points[(points**2).sum(1) < 1]
    y, x = np.mgrid[:256, :256] + 0.5
    disc = (x - 128) ** 2 + (y - 128) ** 2 < 70**2
    assert max(dice(mask, disc) for _, mask in ESTIMATORS[name](centres, 256)) > 0.97


@pytest.mark.parametrize("name", ESTIMATORS)
def test_dots_off_the_canvas_and_few_of_them_are_no_error(name):
    centres = np.array([[-3.0, 5.0], [40.0, 60.0], [20.0, 70.0], [62.5, 3.0]])
    for _, mask in ESTIMATORS[name](centres, 64):
        assert mask.shape == (64, 64)
        assert mask.dtype == bool


def test_scores_say_what_was_chosen():
    scores = oracle_scores(count=1, choosing=1, definition=find_definition("dotblob-v1"))
    assert scores.keys() == ESTIMATORS.keys()
    assert all(
        0.5 < score.dice < 1 and 0.3 < score.shapes < 1 and score.images == 1 and score.parameters
        for score in scores.values()
    )
