import pytest
import torch

from tests.unit.training.conftest import SMOKE, TINY_RUN
from training.config import load_config, override
from training.data.open import open_data
from training.recipe.distributed import DistributedContext
from training.recipe.loop import TrainingRun


@pytest.fixture
def run():
    """A function that trains the tiny network for an epoch."""

    def train(*overrides):
        config = override(load_config(SMOKE), [*TINY_RUN, "optimiser.ema_decay=0.9", *overrides])
        device = torch.device("cpu")
        source = open_data(config.data, seed=0, batch_size=8, device=device, rank=0, world_size=1)
        run = TrainingRun(config, source, DistributedContext(device))
        for _ in run.steps():
            if run.at_epoch_end:
                break
        return run

    return train


def first_statistics(net):
    return net.encoder[0].conv[1].running_mean, net.encoder[0].conv[1].running_var


def test_the_finished_network_has_the_statistics_of_its_own_weights(run):
    run = run("optimiser.precise_bn_images=32")
    net = run.finished_net()
    with torch.no_grad():
        seen = [
            run.average.net.encoder[0].conv[0](torch.nn.functional.pixel_unshuffle(batch.images, 4))
            for batch in run.source.calibration()
        ]
    assert len(seen) == 4
    mean, variance = first_statistics(net)
    torch.testing.assert_close(mean, torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(variance, torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0), rtol=1e-3, atol=1e-4)
    assert not net.training

    gathered = first_statistics(run.average.net)[0]
    assert (gathered - mean).abs().max() > 1e-3, "they differed from those gathered while training, which stay"


def test_without_it_the_statistics_are_those_gathered_while_training(run):
    run = run()
    for finished, gathered in zip(first_statistics(run.finished_net()), first_statistics(run.average.net), strict=True):
        assert torch.equal(finished, gathered)
