"""Which pairs of a folder are held out."""

from collections.abc import Sequence

import numpy as np

from shared.errors import UsageError
from shared.images.pairs.layout import Pair
from training.data.config import DataConfig
from training.data.pairs.survey import Survey

_STREAM = 11


def split(survey: Survey, config: DataConfig) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to train on and those that are held out.

    The folder's own `train` and `val` count where it has them, then its folders of folds; else `split_seed` draws.
    Among what is held out is a mask that is not empty, if two pairs have one.

    Raises:
        UsageError: a fold that there is not.
    """
    pairs = list(survey.layout.pairs)
    if survey.layout.has_own_split and config.fold is None:
        return [pair for pair in pairs if pair.part != "val"], [pair for pair in pairs if pair.part == "val"]
    order = [pairs[i] for i in np.random.default_rng((config.split_seed, _STREAM)).permutation(len(pairs))]
    if config.fold is not None:
        return _of_fold(survey, order, config.fold)
    count = min(max(round(len(pairs) * config.validation_share), 1), len(pairs) - 1)
    _bring_foreground_in(survey, order, count)
    return order[count:], order[:count]


def _of_fold(survey: Survey, order: Sequence[Pair], fold: str) -> tuple[list[Pair], list[Pair]]:
    number, of = map(int, fold.split("/"))
    folders = survey.layout.folds
    if folders and of != len(folders):
        raise UsageError(f"data.fold={fold}: the folder has {len(folders)} folds ({', '.join(folders)})")
    if number > of or of < 2 or of > len(order):
        raise UsageError(f"data.fold={fold}: give it as 1/5 to 5/5, of no more parts than there are pairs")
    if folders:
        held_out = {pair.name for pair in order if pair.part == folders[number - 1]}
    else:
        held_out = {pair.name for place, pair in enumerate(order) if place % of == number - 1}
    return [pair for pair in order if pair.name not in held_out], [pair for pair in order if pair.name in held_out]


def _bring_foreground_in(survey: Survey, order: list[Pair], count: int) -> None:
    """Swap one pair with foreground into the first `count`, where there is none and the rest has two."""
    shares = {each.pair.name: each.foreground for each in survey.facts}
    filled = [place for place, pair in enumerate(order) if shares.get(pair.name, 0) > 0]
    if filled and filled[0] >= count and len(filled) > 1:
        order[count - 1], order[filled[0]] = order[filled[0]], order[count - 1]
