"""A checkpoint on image/mask pairs of one's own, through the worker's path, beside what classical thresholds find.

Images without any truth are told apart: their Dice is 1 or 0, and says nothing of outlines. Calibration is told of
pairs that were not trained on alone; a network is surer of what it has seen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_local, threshold_otsu

from shared.errors import UsageError
from shared.images.metrics import Overlap, dice
from shared.images.pairs.layout import Pair
from shared.net.metadata import Metadata
from shared.net.predictor import Predictor
from training.data.config import DataConfig
from training.data.pairs.reading import read_pair
from training.data.pairs.survey import Survey
from training.evaluation.field_cases import Kind, Picture
from training.evaluation.markdown_table import table
from training.evaluation.metrics import BoundaryDistances, CalibrationError
from training.evaluation.segmenting import Segmentation, segment
from training.evaluation.sheet import WorstAnswers

_LOCAL_PX = 101  # of a side of the window whose mean is the local threshold
_CLASSICAL = ("Otsu", "local mean")
_KIND = Kind("pairs of one's own", "own images", "the lowest Dice")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PairScores:
    """How one pair was answered; scores are in [0, 1]."""

    name: str
    trained_on: bool
    empty: bool  # the truth is
    truth: float  # share of the pixels
    found: float  # likewise
    dice: float
    iou: float
    precision: float
    recall: float
    boundary: float  # F1 of the outlines within 2 px
    otsu: float  # Dice of Otsu's threshold
    local: float  # Dice of the local mean as a threshold


COLUMNS = tuple(field.name for field in fields(PairScores))
_SCORES = ("dice", "iou", "precision", "recall", "boundary", "otsu", "local")


@dataclass(frozen=True)
class OwnReport:
    """What came of all pairs."""

    folder: str
    pairs: Sequence[PairScores]
    calibration: float | None  # expected calibration error over the pixels of pairs not trained on; None: of none

    def summary(self) -> dict[str, Any]:
        """Return what goes into model.json: counts, the means of pairs with a truth, and their spread."""
        filled = [each for each in self.pairs if not each.empty]
        empties = [each for each in self.pairs if each.empty]
        return {
            "folder": self.folder,
            "images": len(self.pairs),
            "trained_on": sum(each.trained_on for each in self.pairs),
            "empties": len(empties),
            "empties_right": sum(each.found == 0 for each in empties),
            "calibration": self.calibration,
            **{name: _mean([getattr(each, name) for each in filled]) for name in _SCORES},
            "dice_spread": _spread([each.dice for each in filled]),
            "dice_lowest": min((each.dice for each in filled), default=None),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each pair, keyed by COLUMNS, the worst first."""
        for each in sorted(self.pairs, key=lambda pair: (pair.dice, pair.name)):
            yield asdict(each)


def own_data(folder: Path, metadata: Metadata) -> DataConfig:
    """Return how the masks of a folder are read: as those that the checkpoint was trained on."""
    trained = trained_data(metadata)
    kept = {name: trained[name] for name in ("foreground", "mask_suffix") if trained.get(name) is not None}
    return DataConfig.model_validate(kept | {"kind": "folder", "folder": folder})


def held_out_pairs(survey: Survey, metadata: Metadata) -> list[Pair]:
    """Return the pairs that the checkpoint's training held out.

    Raises:
        UsageError: its model.json names none, or some are not in the folder.
    """
    names = held_out_names(metadata)
    if not names:
        raise UsageError("its model.json names no held-out pairs: it was not trained on a folder; leave --held-out out")
    known = {pair.name: pair for pair in survey.layout.pairs}
    missing = [name for name in names if name not in known]
    if missing:
        raise UsageError(
            f"{survey.layout.folder} lacks {len(missing)} of the {len(names)} held-out pairs ({missing[0]}…): give the "
            "folder that it was trained on"
        )
    return [known[name] for name in names]


def trained_on(survey: Survey, metadata: Metadata, was: Path | None = None) -> set[str]:
    """Return the names of the folder's pairs that the checkpoint was trained on; none of another folder.

    Args:
        survey: of the folder.
        metadata: of the checkpoint.
        was: where the folder was when it was trained on; None: where it is.
    """
    folder = trained_data(metadata).get("folder")
    if not isinstance(folder, str) or Path(folder).resolve() != (was or survey.layout.folder).resolve():
        return set()
    return {pair.name for pair in survey.layout.pairs}.difference(held_out_names(metadata))


def examine(
    predictor: Predictor, survey: Survey, pairs: Sequence[Pair], known: set[str], worst: WorstAnswers | None = None
) -> OwnReport:
    """Score a model on pairs.

    Args:
        predictor: the model.
        survey: of the folder that they are in.
        pairs: at least one.
        known: names of those that it was trained on.
        worst: is shown each answer.
    """
    bright = _is_foreground_bright(survey)
    calibration, unseen, scored = CalibrationError(), 0, []
    for pair, picture, answer in _answers(predictor, survey, pairs):
        if pair.name not in known:
            unseen += 1
            calibration.add(answer.probability, picture.truth)
        scores = _scored(pair, answer, picture.truth, pair.name in known, bright=bright)
        if worst is not None:
            worst.keep(picture, answer, badness=1 - scores.dice, caption=f"Dice {scores.dice:.3f}")
        scored.append(scores)
    return OwnReport(str(survey.layout.folder), scored, calibration.value() if unseen else None)


def _answers(
    predictor: Predictor, survey: Survey, pairs: Iterable[Pair]
) -> Iterator[tuple[Pair, Picture, Segmentation]]:
    for pair in pairs:
        image, truth = read_pair(pair, survey.rules, predictor.intake.channels)
        [answer] = segment(predictor, [image])
        yield pair, Picture(_KIND, pair.name, answer.image, truth), answer


def _scored(pair: Pair, answer: Segmentation, truth: Mask, known: bool, *, bright: bool) -> PairScores:
    mask = answer.mask
    overlap = Overlap.of(mask, truth)
    otsu, local = _thresholded(np.asarray(answer.image, np.float64), bright=bright)
    return PairScores(
        name=pair.name,
        trained_on=known,
        empty=not truth.any(),
        truth=float(truth.mean()),
        found=float(mask.mean()),
        dice=overlap.dice,
        iou=overlap.iou,
        precision=overlap.precision,
        recall=overlap.recall,
        boundary=BoundaryDistances.of(mask, truth).f1(),
        otsu=dice(otsu, truth),
        local=dice(local, truth),
    )


def _thresholded(image: NDArray[np.float64], *, bright: bool) -> tuple[Mask, Mask]:
    """Otsu's mask, and what is over the mean around it; of dark foreground what is under."""
    image = image if bright else -image
    if image.min() == image.max():
        nothing = np.zeros(image.shape, dtype=bool)
        return nothing, nothing
    otsu: Mask = image > threshold_otsu(image)
    local: Mask = image > threshold_local(image, _LOCAL_PX, method="mean")
    return otsu, local


def _is_foreground_bright(survey: Survey) -> bool:
    """Whether most masks of the folder lie on what is brighter, which a threshold has to be told."""
    return sum(each.signs.contrast for each in survey.facts) >= 0


def trained_data(metadata: Metadata) -> Mapping[str, Any]:
    """Return the section `data` of the config that a checkpoint was trained with; empty where it names none."""
    config = metadata.training.get("config")
    data = config.get("data") if isinstance(config, dict) else None
    return data if isinstance(data, dict) else {}


def held_out_names(metadata: Metadata) -> list[str]:
    """Return the names of the pairs that training held out, as far as the checkpoint says."""
    names = metadata.training.get("held_out")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _spread(values: Sequence[float]) -> float | None:
    """The standard deviation of the images, not of their mean."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def markdown(reports: Mapping[str, OwnReport]) -> str:
    """Write a table of the models, and of each the pairs, the worst first."""
    parts = [
        table(
            ("Model", "Images", "Empty, right", "Dice", "± of images", "IoU", "Precision", "Recall", "Boundary F1",
             "Calibration error", *_CLASSICAL),
            [_summary_row(name, report.summary()) for name, report in reports.items()],
        )
    ]  # fmt: skip
    for name, report in reports.items():
        if known := sum(each.trained_on for each in report.pairs):
            parts.append(f"{name} was trained on {known} of these pairs: --held-out scores the others alone.")
        rows = [[_cell(value) for value in row.values()] for row in report.rows()]
        parts.append(f"{name}, the lowest Dice first:\n\n{table(COLUMNS, rows)}")
    return "\n\n".join(parts) + "\n"


def _summary_row(name: str, told: Mapping[str, Any]) -> list[str]:
    shown = ("dice", "dice_spread", "iou", "precision", "recall", "boundary", "calibration", "otsu", "local")
    empties = f"{told['empties_right']} of {told['empties']}" if told["empties"] else "–"
    return [name, str(told["images"]), empties, *(_cell(told[each]) for each in shown)]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
