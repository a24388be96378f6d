import pytest
import torch

from training.losses import segmentation_loss, soft_dice_loss


def certain(mask):
    """Logits of a prediction that is sure of the mask."""
    return (mask * 2 - 1) * 50.0


@pytest.fixture
def truth():
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 4:12, 4:12] = 1  # 64 pixels
    mask[1, :, :4] = 1  # 64 pixels
    return mask


def test_a_perfect_prediction_costs_nothing(truth):
    assert soft_dice_loss(certain(truth), truth).item() == pytest.approx(0, abs=1e-6)
    assert segmentation_loss(certain(truth), truth, dice=1, bce=1).item() == pytest.approx(0, abs=1e-6)


def test_dice_is_the_share_of_overlap_for_each_image(truth):
    half = truth.clone()
    half[0, :, 4:8] = 0  # 32 of 64 right: Dice 2·32 / 96
    expected = (1 - (64 + 1) / (96 + 1)) / 2  # the other image is perfect
    assert soft_dice_loss(certain(half), truth).item() == pytest.approx(expected, abs=1e-5)


def test_an_empty_truth_answered_empty_costs_nothing():
    empty = torch.zeros(1, 1, 8, 8)
    assert soft_dice_loss(certain(empty), empty).item() == pytest.approx(0, abs=1e-6)


def test_the_weights_weigh(truth):
    logits = torch.zeros_like(truth)
    dice = segmentation_loss(logits, truth, dice=1, bce=0)
    bce = segmentation_loss(logits, truth, dice=0, bce=1)
    assert bce.item() == pytest.approx(0.6931, abs=1e-4)
    assert segmentation_loss(logits, truth, dice=2, bce=3).item() == pytest.approx((2 * dice + 3 * bce).item())


def test_the_gradient_points_to_the_truth(truth):
    logits = torch.zeros_like(truth, requires_grad=True)
    segmentation_loss(logits, truth, dice=1, bce=1).backward()
    assert (logits.grad[truth == 1] < 0).all()
    assert (logits.grad[truth == 0] > 0).all()
