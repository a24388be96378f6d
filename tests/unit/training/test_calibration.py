"""Probabilities that mean what they say, and the threshold of the highest Dice, folded into the weights."""

import pytest
import torch
from torch import nn

from shared.images import metrics
from shared.net.checkpoint import load_checkpoint
from tests.unit.training.conftest import run_tiny
from training import train
from training.calibration import calibrate
from training.data_source import Batch


class Overconfident(nn.Module):
    """Hands on the pixel as its logit, scaled and moved."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 1, 1)
        self.head.weight.data.fill_(slope)
        self.head.bias.data.fill_(offset)

    def forward(self, x):
        return self.head(x)


@pytest.fixture(scope="module")
def batches():
    """Images whose pixels are the true logits of their masks."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(4):
        logits = 1.5 * torch.randn(4, 1, 64, 64, generator=generator) - 0.5
        masks = (torch.rand(logits.shape, generator=generator) < torch.sigmoid(logits)).float()
        found.append(Batch(logits, masks))
    return found


def error(net, batches) -> float:
    ece = metrics.Calibration()
    for images, masks in batches:
        for probability, truth in zip(torch.sigmoid(net(images))[:, 0], masks[:, 0] > 0.5, strict=True):
            ece.add(probability.detach().numpy(), truth.numpy())
    return ece.error()


@pytest.mark.parametrize(("slope", "offset"), [(3.0, 1.0), (0.5, -0.5)])
def test_slope_and_offset_are_undone(batches, slope, offset):
    net = Overconfident(slope, offset).eval().requires_grad_(False)
    before = error(net, batches)
    found = calibrate(net, batches, torch.float32)
    assert found.images == 16
    assert found.slope == pytest.approx(1 / slope, rel=0.05)
    assert found.offset == pytest.approx(-offset / slope, abs=0.1)
    assert net.head.weight.item() == pytest.approx(1, rel=0.05)
    assert net.head.bias.item() == pytest.approx(0, abs=0.1)
    assert error(net, batches) < 0.02 < before


def mean_dice(net, batches, threshold) -> float:
    scores = []
    for images, masks in batches:
        predicted, truth = torch.sigmoid(net(images)) >= threshold, masks > 0.5
        hit = (predicted & truth).sum((1, 2, 3)).double()
        scores.append(2 * hit / (predicted.sum((1, 2, 3)) + truth.sum((1, 2, 3))))
    return torch.cat(scores).mean().item()


def test_the_threshold_is_that_of_the_highest_dice(batches):
    net = Overconfident(3.0, 1.0).eval().requires_grad_(False)
    threshold = calibrate(net, batches, torch.float32).threshold
    best = max(mean_dice(net, batches, hundredths / 100) for hundredths in range(10, 91))
    assert mean_dice(net, batches, threshold) == pytest.approx(best, abs=1e-3)
    assert mean_dice(net, batches, threshold) > mean_dice(net, batches, 0.5) + 0.01


def test_samples_that_tell_nothing_change_nothing():
    net = Overconfident(1.0, 0.0).eval().requires_grad_(False)
    separable = torch.tensor([-5.0, 5.0]).repeat(32).view(1, 1, 8, 8)
    found = calibrate(net, [Batch(separable, (separable > 0).float())], torch.float32)
    assert (found.slope, found.offset, found.threshold) == (1.0, 0.0, 0.5)
    assert (net.head.weight.item(), net.head.bias.item()) == (1.0, 0.0)


def test_a_run_ends_with_it_once(tmp_path, no_pictures, capsys):
    assert run_tiny(tmp_path / "plain") == 0
    assert run_tiny(tmp_path / "run", "calibration.images=10") == 0
    assert "calibrated on" in capsys.readouterr().out
    plain, model = load_checkpoint(tmp_path / "plain"), load_checkpoint(tmp_path / "run")
    fitted = model.metadata.training["calibration"]
    assert fitted["images"] >= 10
    assert model.threshold == fitted["threshold"]
    torch.testing.assert_close(model.net.head.weight, plain.net.head.weight * fitted["slope"], rtol=2e-3, atol=1e-5)
    assert train.main(["--resume", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert load_checkpoint(tmp_path / "run").sha256 == model.sha256
