"""Notice early that a run is lost or over: the collapse watch and early stopping."""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from shared.errors import Permanent
from shared.net.checkpoint import tensors_not_finite
from training.config import ValidationConfig, WatchConfig


class TrainingCollapsed(Permanent):
    """The end of a run that would only waste time from here on; it says why."""


def check_numbers(images: int, loss: float, net: nn.Module) -> None:
    """Check that a run's loss and weights are numbers, before anything of them is kept.

    Args:
        images: seen since the start of the run.
        loss: its mean over the last stretch.
        net: the weights that would be kept, or trained on.

    Raises:
        TrainingCollapsed: they are not.
    """
    if not math.isfinite(loss):
        raise TrainingCollapsed(f"the loss is {loss} after {images:,} images: lower optimiser.lr")
    names = tensors_not_finite(net.state_dict())
    if names:
        raise TrainingCollapsed(
            f"{len(names)} tensors of the weights are no finite numbers after {images:,} images ({names[0]}…): "
            "lower optimiser.lr"
        )


@dataclass
class CollapseWatch:
    """The watch over a run, now and then; a network that answers blank masks is found within an epoch."""

    config: WatchConfig
    next_look: int = 0  # in images
    bad_looks: int = 0  # in a row
    best_clean_dice: float = 0.0

    def __post_init__(self) -> None:
        self.next_look = self.next_look or max(self.config.grace_images, self.config.every_images)

    def is_due(self, images: int) -> bool:
        """Whether to look after this many images of training."""
        return images >= self.next_look

    def look(self, images: int, loss: float, foreground: float, truth: float, clean_dice: float | None) -> None:
        """Judge the stretch of training since the last look.

        Args:
            images: seen since the start of the run.
            loss: its mean over the stretch.
            foreground: mean share of the pixels that the network took for foreground, in [0, 1].
            truth: mean share that is foreground.
            clean_dice: the present Dice without noise; None where it is unknown.

        Raises:
            TrainingCollapsed: this was the second bad look in a row (`config.looks`), or the loss is no number.
        """
        self.next_look = images + self.config.every_images
        if not math.isfinite(loss):
            raise TrainingCollapsed(f"the loss is {loss} after {images:,} images: lower optimiser.lr")
        reason = self._fault(foreground, truth, clean_dice)
        self.bad_looks = self.bad_looks + 1 if reason else 0
        self.best_clean_dice = max(self.best_clean_dice, clean_dice or 0.0)
        if reason and self.bad_looks >= self.config.looks:
            raise TrainingCollapsed(
                f"collapsed after {images:,} images: {reason}; lower optimiser.lr or the loss's weights"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen so far, as JSON has it; the config is the run's."""
        return {
            "next_look": self.next_look,
            "bad_looks": self.bad_looks,
            "best_clean_dice": self.best_clean_dice,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.next_look = state_dict["next_look"]
        self.bad_looks = state_dict["bad_looks"]
        self.best_clean_dice = state_dict["best_clean_dice"]

    def _fault(self, foreground: float, truth: float, clean_dice: float | None) -> str:
        config = self.config
        shares = f"foreground {foreground:.2%} of the pixels, {truth:.2%} in the truth"
        if foreground < config.min_foreground * truth:
            return f"the masks are blank ({shares})"
        if 1 - foreground < (1 - config.max_foreground) * (1 - truth):
            return f"the masks are full ({shares})"
        if clean_dice is None:
            return ""
        if clean_dice < config.min_clean_dice:
            return f"the Dice without noise is {clean_dice:.3f}"
        if clean_dice < config.max_fall * self.best_clean_dice:
            return f"the Dice without noise fell from {self.best_clean_dice:.3f} to {clean_dice:.3f}"
        return ""


@dataclass
class EarlyStopping:
    """Memory of the best validation, and for how many there has been no better one."""

    config: ValidationConfig
    best: float | None = None  # Dice; None before the first validation
    reference: float | None = None  # Dice that must be exceeded by `min_delta`
    waited: int = 0  # validations

    def is_best(self, dice: float) -> bool:
        """Take note of a validation; return whether it is the best so far, however narrowly."""
        self.waited += dice > 0  # of a network that finds nothing yet, there is nothing to be had by stopping
        if self.reference is None or dice >= self.reference + self.config.min_delta:
            self.reference, self.waited = dice, 0
        is_best = self.best is None or dice > self.best
        if is_best:
            self.best = dice
        return is_best

    @property
    def is_over(self) -> bool:
        """Whether training should stop."""
        return self.config.patience is not None and self.waited >= self.config.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen so far, as JSON has it; the config is the run's."""
        return {"best": self.best, "reference": self.reference, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.best = state_dict["best"]
        self.reference = state_dict["reference"]
        self.waited = state_dict["waited"]
