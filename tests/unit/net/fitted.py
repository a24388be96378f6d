"""Scores fitted on made-up observations, of a network with two depths."""

from dataclasses import replace

import numpy as np

from training.recipe.observing import Observations
from training.recipe.scores import fit_scores

WIDTHS = (6, 10)  # numbers of each depth's vectors


def observations(seed: int, count: int = 2000, *, shift: float = 0.0, empty: float = 0.0) -> Observations:
    """Return made-up results: `shift` moves their features, a share `empty` found nothing.

    Their Dice is what they expect of themselves, less 0.05, give or take 0.05; of nine in ten that found nothing there
    was nothing to find.
    """
    rng = np.random.default_rng(seed)
    found = rng.random(count) >= empty
    trust = np.where(found, rng.uniform(0.5, 0.95, count), 0.0)
    worth = np.where(found, np.clip(trust - 0.05 + rng.normal(0, 0.05, count), 0, 1), rng.random(count) < 0.9)
    features = tuple(rng.normal(2.0 + shift, 1.0, (count, width)) for width in WIDTHS)
    others = [rng.normal(mean, spread, count) for mean, spread in ((-1.8, 0.3), (0.4, 0.1), (0.6, 0.2))]
    numbers = np.stack([np.log(1 - trust), *others], axis=1)
    numbers[~found, 2] = 0.0  # foreground
    return Observations(features, numbers, found, np.asarray(worth, np.float64))


_UNKNOWN = observations(6, 1000, shift=4.0)
STRANGE = replace(_UNKNOWN, worth=np.zeros(len(_UNKNOWN)))
SCORES = fit_scores(observations(0, 6000), STRANGE)
