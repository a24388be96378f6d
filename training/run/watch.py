"""Notice early that a run is lost or over: the collapse watch and early stopping. Pure."""

import math
from dataclasses import dataclass

from shared.errors import Permanent
from training.config import ValidationConfig, WatchConfig


class TrainingCollapsed(Permanent):
    """Training would only waste time from here on; says why."""


@dataclass
class CollapseWatch:
    """Looks at a run every now and then; a network that answers blank masks is found within an epoch."""

    config: WatchConfig
    next_look: int = 0  # in images
    bad_looks: int = 0  # in a row
    best_clean_dice: float = 0.0

    def __post_init__(self) -> None:
        self.next_look = self.next_look or max(self.config.grace_images, self.config.every_images)

    def is_due(self, images: int) -> bool:
        """Whether to look after this many images of training."""
        return images >= self.next_look

    def look(self, images: int, loss: float, foreground: float, clean_dice: float | None) -> None:
        """Judge the stretch of training since the last look.

        `loss` is its mean, `foreground` the mean share of pixels that the network took for foreground, `clean_dice`
        the present Dice without noise (None: unknown). Raises `TrainingCollapsed` with the reason, at the second bad
        look in a row (`config.looks`), or at once for a loss that is no number.
        """
        self.next_look = images + self.config.every_images
        if not math.isfinite(loss):
            raise TrainingCollapsed(f"the loss is {loss} after {images:,} images: lower optimiser.lr")
        reason = self._fault(foreground, clean_dice)
        self.bad_looks = self.bad_looks + 1 if reason else 0
        self.best_clean_dice = max(self.best_clean_dice, clean_dice or 0.0)
        if reason and self.bad_looks >= self.config.looks:
            raise TrainingCollapsed(
                f"collapsed after {images:,} images: {reason}; lower optimiser.lr or the loss's weights"
            )

    def _fault(self, foreground: float, clean_dice: float | None) -> str:
        config = self.config
        if foreground < config.min_foreground:
            return f"the masks are blank (foreground {foreground:.2%} of the pixels)"
        if foreground > config.max_foreground:
            return f"the masks are full (foreground {foreground:.2%} of the pixels)"
        if clean_dice is None:
            return ""
        if clean_dice < config.min_clean_dice:
            return f"the Dice without noise is {clean_dice:.3f}"
        if clean_dice < config.max_fall * self.best_clean_dice:
            return f"the Dice without noise fell from {self.best_clean_dice:.3f} to {clean_dice:.3f}"
        return ""


@dataclass
class EarlyStopping:
    """Remembers the best validation, and for how many there has been no better one."""

    config: ValidationConfig
    best: float = -math.inf  # Dice
    reference: float = -math.inf  # Dice that must be exceeded by `min_delta`
    waited: int = 0  # validations

    def is_best(self, dice: float) -> bool:
        """Take note of a validation; whether it is the best so far, however narrowly."""
        self.waited += 1
        if dice >= self.reference + self.config.min_delta:
            self.reference, self.waited = dice, 0
        is_best = dice > self.best
        self.best = max(self.best, dice)
        return is_best

    @property
    def is_over(self) -> bool:
        """Whether training should stop."""
        return self.config.patience is not None and self.waited >= self.config.patience
