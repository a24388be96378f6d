"""The table of likelihood ratios that is fitted before a network is trained."""

import pytest
import torch

from shared.net.checkpoint import load_checkpoint
from shared.net.likelihood import DotLikelihood
from shared.synth import find_definition
from tests.unit.training.conftest import SMOKE, TINY_RUN, run_tiny
from training.config import LikelihoodConfig, load_config, override
from training.data.open import open_data
from training.recipe.distributed import DistributedContext
from training.recipe.likelihood import fit
from training.recipe.loop import TrainingRun

FEW = ("model.arguments.likelihood=true", "likelihood={histograms: 40, passes: 5, batch_size: 12}")
CPU = torch.device("cpu")
DOTBLOB = find_definition("dotblob-v1")


def table(seed: int, **config: int) -> tuple[DotLikelihood, float]:
    torch.manual_seed(0)
    likelihood = DotLikelihood()
    return likelihood, fit(likelihood, LikelihoodConfig(**config), DOTBLOB, seed=seed)


def run(**start: object) -> TrainingRun:
    config = override(load_config(SMOKE), [*TINY_RUN, *FEW])
    source = open_data(config.data, seed=0, batch_size=8, device=CPU, rank=0, world_size=1)
    return TrainingRun(config, source, DistributedContext(CPU), **start)


def test_more_histograms_lose_less_and_nothing_is_left_to_train():
    few, many = (table(3, histograms=count, passes=5) for count in (40, 800))
    assert many[1] < few[1] - 0.1
    assert not any(parameter.requires_grad for parameter in many[0].parameters())


def test_the_same_arguments_give_the_same_table():
    tables = [table(seed, histograms=30, passes=2)[0].state_dict() for seed in (5, 5, 6)]
    assert all(torch.equal(tensor, tables[1][name]) for name, tensor in tables[0].items())
    assert not all(torch.equal(tensor, tables[2][name]) for name, tensor in tables[0].items())


@pytest.mark.parametrize("looks", [1, 8])  # while histograms are made, and while the table is fitted
def test_fitting_ends_where_it_is_asked_to(looks):
    asked = iter([*[False] * looks, True])
    likelihood = DotLikelihood()
    assert fit(likelihood, LikelihoodConfig(histograms=40), DOTBLOB, seed=1, stop=lambda: next(asked)) is None
    assert not any(parameter.requires_grad for parameter in likelihood.parameters())


def test_training_leaves_the_fitted_table_alone_and_keeps_it(tmp_path):
    assert run_tiny(tmp_path / "a", *FEW, "budget={epochs: 1}") == 0
    assert run_tiny(tmp_path / "b", *FEW, "budget={epochs: 2}") == 0
    first, second = (load_checkpoint(tmp_path / name).net.stem.likelihood.state_dict() for name in "ab")
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_it_is_fitted_once_and_not_for_weights_that_have_it(tmp_path):
    begun = run()
    assert begun.fit_likelihood()
    fitted = begun.net.stem.likelihood.state_dict()
    averaged = begun.average.net.stem.likelihood.state_dict()
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in fitted.items())
    begun.position.images = 8
    assert not begun.fit_likelihood()

    assert run_tiny(tmp_path / "before", *FEW, "budget={epochs: 1}") == 0
    assert not run(start=load_checkpoint(tmp_path / "before")).fit_likelihood()
