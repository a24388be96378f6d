"""Scores while training, on held-out samples that are neither trained on nor reported elsewhere."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from training.data.source import Batch, DataSource
from training.recipe.distributed import DistributedContext
from training.run.watch import TrainingCollapsed

OVERLAPS = ("dice", "iou", "precision", "recall")
EMPTY = "empty"


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

    def __init__(
        self, source: DataSource, context: DistributedContext, dtype: torch.dtype, *, empties_apart: bool = False
    ) -> None:
        self.sets = source.validation()
        self.context = context
        self._dtype = dtype  # of the autocast; float32 for none
        self._empties_apart = empties_apart  # images without any truth, whose Dice is 1 or 0, have a score of their own

    def scores(self, net: nn.Module) -> dict[str, float]:
        """Return the mean scores of every set: val_dice, val_iou, val_precision, val_recall, clean_dice if known."""
        found = {}
        for name, batches in self.sets.items():
            means = self.means(net, batches)
            kept = OVERLAPS if name == "val" else OVERLAPS[:1]
            found.update({f"{name}_{score}": means[score] for score in kept})
            if EMPTY in means:
                found[f"{name}_{EMPTY}"] = means[EMPTY]
        return found

    def clean_dice(self, net: nn.Module, batches: int) -> float | None:
        """Return the mean Dice over this many batches without noise; None where the source has no such set."""
        if "clean" not in self.sets:
            return None
        return self.means(net, itertools.islice(iter(self.sets["clean"]), batches))["dice"]

    @torch.inference_mode()
    def means(self, net: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return mean Dice, IoU, precision and recall over the batches; each process brings its own, all call this.

        Where empties are apart, these are means over the images that have a truth, if any has, and `empty` is the share
        of the others that were answered by an empty mask.

        Raises:
            TrainingCollapsed: the network answers no numbers.
        """
        device = self.context.device
        scored, of_empty = torch.zeros(2, len(OVERLAPS) + 1, dtype=torch.float64, device=device)
        no_numbers = torch.zeros(1, dtype=torch.float64, device=device)
        for images, masks in batches:
            with torch.autocast(device.type, self._dtype, enabled=self._dtype != torch.float32):
                logits = net(images)
            truth = masks > 0.5
            each = overlap_scores(logits > 0, truth)
            counted = torch.cat([each, torch.ones_like(each[:1])])
            is_empty = ~truth.flatten(1).any(1) if self._empties_apart else torch.zeros_like(truth[:, 0, 0, 0])
            scored += counted[:, ~is_empty].sum(1)
            of_empty += counted[:, is_empty].sum(1)
            no_numbers += (~logits.isfinite()).sum()
        scored, of_empty, no_numbers = (self.context.sum(sums) for sums in (scored, of_empty, no_numbers))
        if no_numbers:
            raise TrainingCollapsed("the network answers no finite numbers for held-out samples: lower optimiser.lr")
        *totals, count = (scored if scored[-1] else of_empty).tolist()
        means = {name: total / max(count, 1) for name, total in zip(OVERLAPS, totals, strict=True)}
        return means | ({EMPTY: float(of_empty[0] / of_empty[-1])} if of_empty[-1] else {})
