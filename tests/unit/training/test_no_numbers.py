"""Training that ends in NaN leaves nothing that anybody could take for a network."""

import copy

import pytest
import torch

from shared.net.checkpoint import load_checkpoint
from shared.net.weights_file import check_weights_file
from tests.unit.training.conftest import records, run_tiny
from training.recipe.distributed import DistributedContext
from training.recipe.loop import TrainingRun
from training.recipe.metrics import RunningMeans
from training.run import trainer
from training.run.state import STATE_NAME
from training.run.watch import TrainingCollapsed, check_numbers

SHORT = ("budget={epochs: 1}",)


@pytest.fixture
def spoilt(monkeypatch):
    """Put a value into a weight after so many steps."""

    def spoil(value: float, *, after: int) -> None:
        step = TrainingRun._step

        def and_spoil(self, parts):
            step(self, parts)
            if self.position.images >= 8 * after:
                with torch.no_grad():
                    self.net.head.weight[0, 0] = value

        monkeypatch.setattr(TrainingRun, "_step", and_spoil)

    return spoil


def test_a_rate_far_too_high_ends_a_short_run_with_3_and_leaves_no_weights(tmp_path, no_pictures, capsys):
    assert run_tiny(tmp_path, "optimiser.lr=1e30", "budget={epochs: 2}") == 3
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("lower optimiser.lr")
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / STATE_NAME).exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_was_good_before_stays(tmp_path, no_pictures, spoilt, value):
    spoilt(value, after=5)  # in the second epoch
    assert run_tiny(tmp_path) == 3
    assert [record["epoch"] for record in records(tmp_path)] == [1]
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(tmp_path).net.state_dict().values())
    check_weights_file(tmp_path / STATE_NAME)
    assert load_checkpoint(tmp_path).metadata.training["epoch"] == 1


def test_a_run_that_is_stopped_saves_no_state_of_no_numbers(tmp_path, no_pictures, spoilt, monkeypatch):
    spoilt(float("nan"), after=0)
    monkeypatch.setattr(trainer.Interruption, "asked", lambda self: True)
    monkeypatch.setattr(TrainingRun, "_agree", stop_after_two_steps)
    assert run_tiny(tmp_path, *SHORT) == 3
    assert not (tmp_path / STATE_NAME).exists()


def stop_after_two_steps(self, seconds, _stop):
    self.position.seconds, self.stopped = seconds, self.position.step >= 2


def test_weights_beyond_float16_end_the_run(tmp_path, no_pictures, spoilt):
    spoilt(1e6, after=0)
    assert run_tiny(tmp_path, *SHORT, "optimiser.ema_decay=0") == 3
    assert not (tmp_path / "model.safetensors").exists()


def test_weights_are_numbers_whose_answers_are_none(tmp_path, no_pictures, monkeypatch, capsys):
    """Finite, but so large that what the layers make of them is not."""
    finished = TrainingRun.finished_net

    def overflowing(self):
        net = finished(self)
        for parameter in net.parameters():
            parameter.fill_(1e30)
        return net

    monkeypatch.setattr(TrainingRun, "finished_net", overflowing)
    assert run_tiny(tmp_path, *SHORT) == 3
    assert "answers no finite numbers" in capsys.readouterr().err
    assert not (tmp_path / "model.safetensors").exists()


def test_each_tensor_is_looked_at():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    check_numbers(0, 0.5, net)
    for name in [name for name, tensor in net.state_dict().items() if tensor.is_floating_point()]:
        spoilt = copy.deepcopy(net)
        spoilt.state_dict()[name][0] = float("nan")
        with pytest.raises(TrainingCollapsed, match="no finite numbers after 7 images"):
            check_numbers(7, 0.5, spoilt)


def test_a_budget_that_is_over_before_the_first_step_says_so(tmp_path, no_pictures, capsys):
    assert run_tiny(tmp_path, "budget={epochs: 3, max_minutes: 1e-9}") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "was spent before the first step" in line
    assert "raise budget.max_minutes" in line


def test_a_budget_that_is_over_before_the_first_validation_still_has_one(tmp_path, no_pictures, monkeypatch):
    def out_of_time(self, seconds, stop):
        self.position.seconds, self.stopped = 60.0 * self.position.step, stop

    monkeypatch.setattr(TrainingRun, "_agree", out_of_time)
    assert run_tiny(tmp_path, "budget={epochs: 3, max_minutes: 2}") == 0
    assert [record["images"] for record in records(tmp_path)] == [16]
    assert load_checkpoint(tmp_path).metadata.training["images"] == 16


def test_the_shares_of_the_truth_are_recorded_beside_those_of_the_network(tmp_path, no_pictures):
    assert run_tiny(tmp_path, *SHORT) == 0
    assert 0.01 < records(tmp_path)[0]["truth"] < 0.6


def test_sums_of_before_there_were_such_shares_begin_anew():
    means = RunningMeans(("loss", "foreground", "truth"), DistributedContext(torch.device("cpu")))
    means.load_state_dict({"sums": torch.ones(3)})
    assert means.take() == {"loss": 0.0, "foreground": 0.0, "truth": 0.0}
