"""Scores while training, on held-out samples that are neither trained on nor reported elsewhere."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from shared.net.device import resolve_precision
from training.data.source import Batch, DataSource
from training.recipe.distributed import DistributedContext
from training.run.watch import TrainingCollapsed

OVERLAPS = ("dice", "iou", "precision", "recall")


def overlap_scores(prediction: Tensor, truth: Tensor) -> Tensor:
    """Compute Dice, IoU, precision and recall of each image; where a denominator is zero, the score is 1.

    As in `shared.images.metrics` and `training.evaluation.metrics`.

    Args:
        prediction: boolean masks (B, 1, H, W).
        truth: as large.

    Returns:
        float64 (4, B), in [0, 1].
    """
    hit, predicted, true = (mask.sum((1, 2, 3)).double() for mask in (prediction & truth, prediction, truth))
    ratios = [(2 * hit, predicted + true), (hit, predicted + true - hit), (hit, predicted), (hit, true)]
    return torch.stack([torch.where(whole > 0, part / whole.clamp(min=1), 1.0) for part, whole in ratios])


class Monitor:
    """Scores a network on the source's held-out sets, at threshold 0.5."""

    def __init__(self, source: DataSource, context: DistributedContext, precision: str) -> None:
        self.sets = source.validation()
        self.context = context
        self._dtype = resolve_precision(precision, context.device)

    def scores(self, net: nn.Module) -> dict[str, float]:
        """Return the mean scores of every set: val_dice, val_iou, val_precision, val_recall, clean_dice if known."""
        found = {}
        for name, batches in self.sets.items():
            means = self.means(net, batches)
            kept = OVERLAPS if name == "val" else OVERLAPS[:1]
            found.update({f"{name}_{score}": means[score] for score in kept})
        return found

    def clean_dice(self, net: nn.Module, batches: int) -> float | None:
        """Return the mean Dice over this many batches without noise; None where the source has no such set."""
        if "clean" not in self.sets:
            return None
        return self.means(net, itertools.islice(iter(self.sets["clean"]), batches))["dice"]

    @torch.inference_mode()
    def means(self, net: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return mean Dice, IoU, precision and recall over the batches; each process brings its own, all call this.

        Raises:
            TrainingCollapsed: the network answers no numbers.
        """
        device = self.context.device
        sums = torch.zeros(len(OVERLAPS) + 2, dtype=torch.float64, device=device)
        for images, masks in batches:
            with torch.autocast(device.type, self._dtype, enabled=self._dtype != torch.float32):
                logits = net(images)
            sums[:-2] += overlap_scores(logits > 0, masks > 0.5).sum(1)
            sums[-2] += (~logits.isfinite()).sum()
            sums[-1] += len(images)
        *totals, no_numbers, count = self.context.sum(sums).tolist()
        if no_numbers:
            raise TrainingCollapsed("the network answers no finite numbers for held-out samples: lower optimiser.lr")
        return {name: total / max(count, 1) for name, total in zip(OVERLAPS, totals, strict=True)}
