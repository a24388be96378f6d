import pytest

from training.config import BudgetConfig
from training.schedule import lr_factor, progress


def test_progress_follows_whichever_budget_is_spent_further():
    both = BudgetConfig(max_images=100, max_minutes=10)
    assert progress(both, images=50, minutes=1) == 0.5
    assert progress(both, images=10, minutes=8) == 0.8
    assert progress(both, images=500, minutes=8) == 1.0
    assert progress(BudgetConfig(max_images=100), images=50, minutes=1e6) == 0.5


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
