import pytest
import torch
from torch import nn

from shared.images.metrics import Overlap
from training.data.source import Batch
from training.recipe.distributed import DistributedContext
from training.run.monitor import OVERLAPS, Monitor, overlap_scores


class Echo(nn.Module):
    """Takes the image itself for the logits."""

    def forward(self, image):
        return image


class Source:
    def __init__(self, **sets):
        self.sets = sets

    def validation(self):
        return self.sets


def batch(predicted, true):
    """Images whose logits are `predicted` pixels of foreground, in a row of 10."""
    images = torch.full((len(predicted), 1, 1, 10), -1.0)
    masks = torch.zeros_like(images)
    for number, (p, t) in enumerate(zip(predicted, true, strict=True)):
        images[number, ..., :p] = 1
        masks[number, ..., :t] = 1
    return Batch(images, masks)


def test_the_scores_are_those_of_the_evaluation():
    torch.manual_seed(0)
    prediction, truth = torch.rand(6, 1, 9, 7) > 0.6, torch.rand(6, 1, 9, 7) > 0.5
    prediction[0], truth[1], prediction[2], truth[2] = False, False, False, False
    found = overlap_scores(prediction, truth)
    overlaps = [Overlap.of(p[0].numpy(), t[0].numpy()) for p, t in zip(prediction, truth, strict=True)]
    for row, name in zip(found, OVERLAPS, strict=True):
        expected = [getattr(overlap, name) for overlap in overlaps]
        assert row.tolist() == pytest.approx(expected)


def test_means_are_over_images_not_batches():
    source = Source(val=[batch([5, 5, 5], [5, 5, 5]), batch([10], [5])], clean=[batch([4], [8])])
    scores = Monitor(source, DistributedContext(torch.device("cpu")), torch.float32).scores(Echo())
    assert scores == pytest.approx(
        {
            "val_dice": (3 + 2 / 3) / 4,
            "val_iou": 3.5 / 4,
            "val_precision": 3.5 / 4,
            "val_recall": 1.0,
            "clean_dice": 2 / 3,
        }
    )


def test_the_clean_dice_of_the_first_batches():
    monitor = Monitor(
        Source(val=[], clean=[batch([5], [5]), batch([10], [5])]),
        DistributedContext(torch.device("cpu")),
        torch.float32,
    )
    assert monitor.clean_dice(Echo(), batches=1) == 1.0
    assert monitor.clean_dice(Echo(), batches=2) == pytest.approx((1 + 2 / 3) / 2)


def test_a_source_without_clean_images_has_no_clean_dice():
    monitor = Monitor(Source(val=[batch([5], [5])]), DistributedContext(torch.device("cpu")), torch.float32)
    assert monitor.clean_dice(Echo(), batches=1) is None
    assert "clean_dice" not in monitor.scores(Echo())
