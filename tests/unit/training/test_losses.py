import pytest
import torch

from training.recipe.losses import LossWeights, boundary_tversky_loss, contour_band, segmentation_loss, soft_dice_loss

ASYMMETRIC = {"false_positives": 0.7, "false_negatives": 0.3}


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
    assert boundary_tversky_loss(certain(truth), truth, width=2, **ASYMMETRIC).item() == pytest.approx(0, abs=1e-6)
    assert segmentation_loss(certain(truth), truth, LossWeights(gamma=1)).total.item() == pytest.approx(0, abs=1e-6)


def test_dice_is_the_share_of_overlap_for_each_image(truth):
    half = truth.clone()
    half[0, :, 4:8] = 0  # 32 of 64 right: Dice 2·32 / 96
    expected = (1 - (64 + 1) / (96 + 1)) / 2  # the other image is perfect
    assert soft_dice_loss(certain(half), truth).item() == pytest.approx(expected, abs=1e-5)


def test_an_empty_truth_answered_empty_costs_nothing():
    empty = torch.zeros(1, 1, 8, 8)
    assert soft_dice_loss(certain(empty), empty).item() == pytest.approx(0, abs=1e-6)
    assert boundary_tversky_loss(certain(empty), empty, width=1, **ASYMMETRIC).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("width", [1, 3])
def test_the_band_is_so_many_pixels_on_either_side_of_the_contour(truth, width):
    band = contour_band(truth, width)
    expected = torch.zeros(2, 1, 16, 16)
    expected[0, :, 4 - width : 12 + width, 4 - width : 12 + width] = 1
    expected[0, :, 4 + width : 12 - width, 4 + width : 12 - width] = 0
    expected[1, :, 4 - width : 4 + width] = 1  # the image's edge is no contour
    torch.testing.assert_close(band, expected, rtol=0, atol=0)


def test_a_mask_without_a_contour_has_no_band():
    for mask in (torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)):
        assert contour_band(mask, 2).sum() == 0


def test_tversky_weighs_false_positives_over_false_negatives(truth):
    too_large, too_small = truth.clone(), truth.clone()
    too_large[0, :, 3, 4:12] = 1  # 8 pixels too much, in the band
    too_small[0, :, 4, 4:12] = 0  # 8 pixels missed
    band_inside = 64 - 16  # width 2 leaves the inner 4 × 4 out
    for prediction, hit, cost in ((too_large, band_inside, 0.7 * 8), (too_small, band_inside - 8, 0.3 * 8)):
        expected = (1 - (hit + 1) / (hit + cost + 1)) / 2
        loss = boundary_tversky_loss(certain(prediction), truth, width=2, **ASYMMETRIC)
        assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_errors_far_from_the_contour_are_not_the_boundary_s(truth):
    wrong = truth.clone()
    wrong[0, :, 7, 7] = 0
    wrong[1, :, 14, 14] = 1
    assert boundary_tversky_loss(certain(wrong), truth, width=2, **ASYMMETRIC).item() == pytest.approx(0, abs=1e-6)


def test_the_weights_weigh(truth):
    logits = torch.zeros_like(truth)
    dice, bce, boundary = segmentation_loss(logits, truth, LossWeights(1, 1, 1))[1:]
    assert bce.item() == pytest.approx(0.6931, abs=1e-4)
    total = segmentation_loss(logits, truth, LossWeights(2, 3, 0.5)).total
    assert total.item() == pytest.approx((2 * dice + 3 * bce + 0.5 * boundary).item())


def test_a_term_without_weight_is_left_out(truth):
    terms = segmentation_loss(torch.zeros_like(truth), truth, LossWeights(alpha=1, beta=0, gamma=0))
    assert terms.bce.item() == terms.boundary.item() == 0
    assert terms.total.item() == terms.dice.item() > 0


def test_the_gradient_points_to_the_truth(truth):
    logits = torch.zeros_like(truth, requires_grad=True)
    segmentation_loss(logits, truth, LossWeights(gamma=0.5)).total.backward()
    assert (logits.grad[truth == 1] < 0).all()
    assert (logits.grad[truth == 0] > 0).all()
