from pathlib import Path

import pytest

import training
from training.config import LossConfig, Ramp, load_config
from training.recipe.schedule import loss_weights, lr_factor, progress, ramp_at, warmup_share

SEED = load_config(Path(training.__file__).parent / "configs" / "seed.yaml")


def test_progress_follows_whichever_budget_is_spent_further():
    assert progress(images=50, total_images=100, minutes=1, max_minutes=10) == 0.5
    assert progress(images=10, total_images=100, minutes=8, max_minutes=10) == 0.8
    assert progress(images=500, total_images=100, minutes=8, max_minutes=10) == 1.0
    assert progress(images=50, total_images=100, minutes=1e6, max_minutes=None) == 0.5


def test_the_rate_rises_then_falls_to_nothing():
    rates = [lr_factor(step / 1000, warmup=0.1) for step in range(1001)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[50] == pytest.approx(0.5)
    assert max(rates) == rates[100] == pytest.approx(1)
    assert rates[550] == pytest.approx(0.5)
    assert rates[1000] == pytest.approx(0, abs=1e-9)
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_without_warm_up_it_starts_at_the_full_rate():
    assert lr_factor(0.0, warmup=0.0) == 1.0


def test_the_warm_up_is_a_share_or_so_many_epochs():
    assert warmup_share(SEED) == 3 / 80
    in_shares = SEED.model_copy(
        update={"optimiser": SEED.optimiser.model_copy(update={"warmup": 0.1, "warmup_epochs": None})}
    )
    assert warmup_share(in_shares) == 0.1


def test_a_ramp_over_epochs_waits_rises_and_stays():
    ramp = Ramp(start=0, end=0.5, epochs=(20, 60))
    found = {epoch: ramp_at(ramp, done=0.9, epoch=epoch) for epoch in (1, 20, 21, 40, 60, 80)}
    assert found == pytest.approx({1: 0, 20: 0, 21: 0.0125, 40: 0.25, 60: 0.5, 80: 0.5})


def test_the_seed_s_loss_weights_at_both_ends():
    first, last = loss_weights(SEED.loss, 0.0, 1), loss_weights(SEED.loss, 1.0, 80)
    assert (first.alpha, first.beta, first.gamma) == (1.0, 1.0, 0.0)
    assert (last.alpha, last.beta, last.gamma) == (1.0, 0.5, 0.5)
    assert (last.false_positives, last.false_negatives) == (0.7, 0.3)
    assert loss_weights(SEED.loss, 0.5, 40).beta == 0.75


def test_one_number_is_a_weight_that_stays():
    config = LossConfig.model_validate({"gamma": 0.5})
    assert [loss_weights(config, done, 1).gamma for done in (0.0, 0.3, 1.0)] == [0.5, 0.5, 0.5]
