"""The schedule: how far a run is, and what the learning rate and the loss's weights are there. Pure."""

import math

from training.config import LossConfig, Ramp, TrainingConfig
from training.recipe.losses import LossWeights


def progress(images: int, total_images: int, minutes: float, max_minutes: float | None) -> float:
    """Return the share of the budget that is spent, in [0, 1]: of the images or of the time, whichever is further."""
    spent = images / total_images
    if max_minutes is not None:
        spent = max(spent, minutes / max_minutes)
    return min(spent, 1.0)


def warmup_share(config: TrainingConfig) -> float:
    """Return the share of the budget over which the learning rate rises."""
    in_epochs = config.optimiser.warmup_epochs
    if in_epochs is not None and config.budget.epochs is not None:
        return in_epochs / config.budget.epochs
    return config.optimiser.warmup


def lr_factor(done: float, warmup: float) -> float:
    """Return the learning rate's factor: a straight rise over the first `warmup` of the run, then a cosine to 0."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def ramp_at(ramp: Ramp, done: float, epoch: int) -> float:
    """Return the weight when a share `done` of the run is spent, in this epoch (from 1)."""
    if ramp.epochs is not None:
        first, last = ramp.epochs
        done = min(max((epoch - first) / (last - first), 0.0), 1.0)
    return ramp.start + (ramp.end - ramp.start) * done


def loss_weights(config: LossConfig, done: float, epoch: int) -> LossWeights:
    """Return the loss's weights at this point of the run."""
    return LossWeights(
        alpha=ramp_at(config.alpha, done, epoch),
        beta=ramp_at(config.beta, done, epoch),
        gamma=ramp_at(config.gamma, done, epoch),
        false_positives=config.false_positives,
        false_negatives=config.false_negatives,
        band_px=config.band_px,
    )
