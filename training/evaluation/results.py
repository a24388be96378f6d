"""What came of each picture, and what is told of a kind of them, where there is a truth and where there is none."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.images.metrics import dice
from shared.net.predictor import Predictor
from training.evaluation.field_cases import Kind, Picture
from training.evaluation.segmenting import Segmentation, segment
from training.evaluation.trust_scores import Score, scores_of
from training.evaluation.worth import BAD, MAX_FALSE_FOREGROUND

_BATCH_PIXELS = 8 * 512**2

Keep = Callable[[Picture, Segmentation, "Result"], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What came of one picture."""

    kind: Kind
    dice: float | None  # None where there is nothing to be found
    foreground: float  # share of the pixels
    scores: Mapping[str, float]  # by name of the score, without those that are not known

    @property
    def worth(self) -> float:
        """Dice, or 1 where nothing was rightly found and 0 where something was made up."""
        return float(self.foreground < MAX_FALSE_FOREGROUND) if self.dice is None else self.dice

    @property
    def is_bad(self) -> bool:
        """Whether it had better been thrown away."""
        return self.worth < BAD

    @property
    def is_answered(self) -> bool:
        """Whether the network found anything."""
        return self.foreground > 0


def judge(predictor: Predictor, pictures: Iterable[Picture], keep: Keep | None = None) -> Iterator[Result]:
    """Segment and score pictures as they come; `keep` is told of each."""
    scores = scores_of(predictor)
    for batch in _batched(pictures):
        for picture, answer in zip(batch, segment(predictor, [each.image for each in batch]), strict=True):
            result = _result(picture, answer, scores)
            if keep is not None:
                keep(picture, answer, result)
            yield result


def rows_by_kind(results: Sequence[Result]) -> dict[str, Row]:
    """Return the figures of every kind by its name, in the order in which they first appear."""
    kinds = {result.kind.name: result.kind for result in results}
    return {name: _row(kind, [each for each in results if each.kind.name == name]) for name, kind in kinds.items()}


def mean_row(rows: Iterable[Row]) -> Row:
    """Return the mean over kinds of every figure that some of them have, and how many kinds and images there are."""
    members = list(rows)
    means: Row = {"kinds": len(members), "images": sum(row["images"] for row in members)}
    for key in ("dice", "dice_p10", "under_070", "answered_nothing", "left_empty", "foreground"):
        values = [row[key] for row in members if key in row]
        if values:
            means[key] = float(np.mean(values))
    return means


def _batched(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """Yield as many pictures at a time as make a full pass of the network, a large one alone."""
    batch: list[Picture] = []
    for picture in pictures:
        batch.append(picture)
        if sum(each.truth.size for each in batch) >= _BATCH_PIXELS:
            yield batch
            batch = []
    if batch:
        yield batch


def _result(picture: Picture, answer: Segmentation, scores: Mapping[str, Score]) -> Result:
    mask = answer.mask
    return Result(
        picture.kind,
        dice(mask, picture.truth) if picture.truth.any() else None,
        float(mask.mean()),
        {name: value for name, score in scores.items() if (value := score(answer)) is not None},
    )


def _row(kind: Kind, results: Sequence[Result]) -> Row:
    """Return the figures of a kind; those of pictures with a truth and those without only where there are such."""
    found = np.array([result.dice for result in results if result.dice is not None])
    false = np.array([result.foreground for result in results if result.dice is None])
    row: Row = {"group": kind.group, "about": kind.about, "held_out": kind.is_held_out, "images": len(results)}
    if found.size:
        row |= {
            "dice": float(found.mean()),
            "dice_p10": float(np.percentile(found, 10)),
            "under_070": float((found < BAD).mean()),
            "answered_nothing": float(np.mean([not r.is_answered for r in results if r.dice is not None])),
        }
    if false.size:
        row |= {"left_empty": float((false < MAX_FALSE_FOREGROUND).mean()), "foreground": float(false.mean())}
    return row
