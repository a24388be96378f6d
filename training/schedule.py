"""How far a run is, and the learning rate there. Pure."""

import math

from training.config import BudgetConfig


def progress(budget: BudgetConfig, images: int, minutes: float) -> float:
    """Share of the budget that is spent, in [0, 1]: of the images or of the time, whichever is further."""
    spent = images / budget.max_images
    if budget.max_minutes is not None:
        spent = max(spent, minutes / budget.max_minutes)
    return min(spent, 1.0)


def lr_factor(done: float, warmup: float) -> float:
    """Factor on the learning rate: a straight rise over the first `warmup` of the run, then a cosine to 0."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
