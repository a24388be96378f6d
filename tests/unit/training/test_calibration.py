"""The best threshold at a half, and probabilities that mean what they say, folded into the weights."""

import pytest
import torch
from torch import nn

from shared.net.checkpoint import load_checkpoint
from tests.unit.training.conftest import run_tiny
from training import train
from training.data.source import Batch
from training.evaluation.metrics import CalibrationError
from training.recipe.calibration import calibrate


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
    ece = CalibrationError()
    for images, masks in batches:
        for probability, truth in zip(torch.sigmoid(net(images))[:, 0], masks[:, 0] > 0.5, strict=True):
            ece.add(probability.detach().numpy(), truth.numpy())
    return ece.value()


@pytest.mark.parametrize(("slope", "offset"), [(3.0, 1.0), (0.5, -0.5)])
def test_whatever_the_logits_were_scaled_and_moved_by_is_undone(batches, slope, offset):
    true, scaled = (Overconfident(*each).eval().requires_grad_(False) for each in ((1.0, 0.0), (slope, offset)))
    before = error(scaled, batches)
    reference, found = (calibrate(net, batches, torch.float32) for net in (true, scaled))
    assert found.images == 16
    assert found.slope == pytest.approx(reference.slope / slope, rel=0.05)
    assert scaled.head.weight.item() == pytest.approx(true.head.weight.item(), rel=0.05)
    assert scaled.head.bias.item() == pytest.approx(true.head.bias.item(), abs=0.05)
    assert error(scaled, batches) < before


def mean_dice(net, batches, threshold) -> float:
    scores = []
    for images, masks in batches:
        predicted, truth = torch.sigmoid(net(images)) >= threshold, masks > 0.5
        hit = (predicted & truth).sum((1, 2, 3)).double()
        scores.append(2 * hit / (predicted.sum((1, 2, 3)) + truth.sum((1, 2, 3))))
    return torch.cat(scores).mean().item()


def test_a_half_is_the_threshold_of_the_highest_dice_then(batches):
    net = Overconfident(3.0, 1.0).eval().requires_grad_(False)
    best = max(mean_dice(net, batches, hundredths / 100) for hundredths in range(5, 96))
    assert mean_dice(net, batches, 0.5) < best - 0.003
    calibrate(net, batches, torch.float32)
    assert mean_dice(net, batches, 0.5) == pytest.approx(best, abs=1e-3)


def test_the_order_of_the_pixels_stays(batches):
    net = Overconfident(3.0, 1.0).eval().requires_grad_(False)
    found = calibrate(net, batches, torch.float32)
    assert found.slope > 0
    assert net.head.weight.item() == pytest.approx(3 * found.slope)
    assert net.head.bias.item() == pytest.approx(found.slope + found.offset, abs=1e-6)


def test_samples_that_tell_nothing_change_nothing():
    net = Overconfident(1.0, 0.0).eval().requires_grad_(False)
    separable = torch.tensor([-5.0, 5.0]).repeat(32).view(1, 1, 8, 8)
    found = calibrate(net, [Batch(separable, (separable > 0).float())], torch.float32)
    assert found.slope == 1.0
    assert found.offset == pytest.approx(0, abs=0.01)


def test_a_run_ends_with_it_once(tmp_path, no_pictures, capsys):
    assert run_tiny(tmp_path / "plain") == 0
    assert run_tiny(tmp_path / "run", "calibration.images=10") == 0
    assert "calibrated on" in capsys.readouterr().out
    plain, model = load_checkpoint(tmp_path / "plain"), load_checkpoint(tmp_path / "run")
    fitted = model.metadata.training["calibration"]
    assert fitted["images"] >= 10
    assert model.threshold == plain.threshold
    torch.testing.assert_close(model.net.head.weight, plain.net.head.weight * fitted["slope"], rtol=2e-3, atol=1e-5)
    assert train.main(["--resume", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert load_checkpoint(tmp_path / "run").sha256 == model.sha256
