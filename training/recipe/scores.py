"""Fitting of `shared.net.familiarity`: what results on scenes like those trained on look like.

Half of the scenes say where familiar vectors lie, the other half how far from there familiar ones can be: distances of
the scenes that a distribution was fitted on would be too small. Drawn pictures that have nothing to do with the task
(`training.recipe.strangers`) say in which direction strange ones lie.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from shared.errors import UsageError
from shared.images.metrics import dice
from shared.images.preparation import prepare
from shared.images.probabilities import MapNumbers, foreground_from, histogram
from shared.net.backends.contract import Answer
from shared.net.checkpoint import remove_scores, save_scores
from shared.net.familiarity import (
    FAR,
    Discriminant,
    FittedScores,
    Floats,
    QualityTable,
    Ranks,
    Reference,
    Strangeness,
    log_distance,
)
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE
from shared.net.witness import window_features
from shared.synth.field import FIELD_V1, Field
from training.config import TrainingConfig
from training.data.config import DataConfig
from training.data.open import open_data
from training.data.source import Batch, NoiseLevel
from training.data.synthesis import wide_picture
from training.recipe.strangers import stranger

MIN_SCENES = 200
"""Fewer are no ground for ranks of one in fifty."""

_STRANGERS = 0.35  # as many as of the scenes
_WIDE = 0.35  # windows of wide pictures, as many as of the scenes
_WINDOWS_OF_EACH = 4
_WIDE_STREAM = 10  # of a run's seed
_SEEDS_APART = 1_000_000
_DISCRIMINANT_WEIGHT = 4.0  # as much as all the distances together
_REGULARISATION = 0.1  # of variances that are about 1
_AT_ONCE = 8  # samples that the data source makes
_AXES = 32  # directions with a variance of their own
_MIN_GROUP = 100  # scenes of a group that gets a distribution of its own
_MIN_ROWS_SCENES = 25  # scenes in a row of a quality table
_ROWS = 40
_SHARES = (0.99, 0.9, 0.75, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01, 0.005, 0.0025)
_NO_TABLE = QualityTable(np.empty(0), np.empty(0), np.empty(0))
_MIN_BEYOND = 5  # familiar scenes beyond the last row of `Ranks`


class TooFewSamples(UsageError):
    """The data of a model cannot tell what its results are like: too few, or of several channels."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Results of N scenes: what a worker would know of them, and how good they are."""

    features: tuple[Floats, ...]  # of each depth, (N, 2C)
    numbers: Floats  # (N, 4), see `MapNumbers.vector`
    trust: Floats  # (N,)
    highest: Floats  # (N,), probability
    found: NDArray[np.bool_]  # (N,), whether the mask has foreground
    dice: Floats  # (N,)

    def __len__(self) -> int:
        return len(self.dice)

    def part(self, which: slice | NDArray[np.bool_]) -> Self:
        """Return some of them."""
        return type(self)(
            tuple(each[which] for each in self.features),
            *(getattr(self, name)[which] for name in ("numbers", "trust", "highest", "found", "dice")),
        )

    def joined(self, other: Self | None) -> Self:
        """Return both together."""
        if other is None:
            return self
        features = tuple(np.concatenate(each) for each in zip(self.features, other.features, strict=True))
        names = ("numbers", "trust", "highest", "found", "dice")
        return type(self)(
            features, *(np.concatenate([getattr(each, name) for each in (self, other)]) for name in names)
        )

    def halves(self) -> tuple[Self, Self]:
        """Return the first half and the second."""
        middle = len(self) // 2
        return self.part(slice(middle)), self.part(slice(middle, None))


def observe(predictor: Predictor, batches: Iterable[Batch], scenes: int) -> Observations:
    """Segment the first `scenes` samples, each of one window, and note what comes out."""
    samples = ((image, mask) for batch in batches for image, mask in zip(batch.images, batch.masks, strict=True))
    rows = []
    for image, mask in itertools.islice(samples, scenes):
        (answer,) = predictor.answer_tiles(image.cpu().numpy()[None])
        rows.append(_row(answer, predictor.threshold, mask[0].cpu().numpy() > 0.5, _only_window(answer)))
    return _observations(rows)


def _observations(rows: list[tuple[Any, ...]]) -> Observations:
    columns = list(zip(*rows, strict=True))
    features = tuple(np.stack(depth) for depth in zip(*columns[0], strict=True))
    return Observations(features, *(np.array(column) for column in columns[1:]))


def _row(answer: Answer, threshold: float, truth: NDArray[np.bool_], vectors: list[Floats]) -> tuple[Any, ...]:
    of_map = MapNumbers.of(histogram(answer.levels), threshold)
    mask = answer.levels >= foreground_from(threshold)
    return (
        vectors, of_map.vector, of_map.trust, of_map.highest, of_map.foreground > 0,
        dice(mask, truth),
    )  # fmt: skip


def observe_wide(predictor: Predictor, definition: Field, windows: int, *, seed: int) -> Observations:
    """Do the same for windows of wide pictures, each segmented as one tile, as those of large images are.

    What is in the rest of a tile changes the features of a window: the network's attention looks at all of it.
    """
    rows: list[tuple[Any, ...]] = []
    for index in range(-(-windows // _WINDOWS_OF_EACH)):
        rng = np.random.default_rng((seed, _WIDE_STREAM, index))
        image, mask = wide_picture(rng, TILE_SIZE, definition)
        (answer,) = predictor.answer_tiles(image.numpy()[None])
        vectors, corners = window_features(answer)
        truth = mask.numpy() > 0.5
        for chosen in rng.choice(len(corners), _WINDOWS_OF_EACH, replace=False):
            row, column = corners[chosen]
            at = slice(row, row + TILE_SIZE), slice(column, column + TILE_SIZE)
            of_window = Answer(answer.levels[at])
            rows.append(_row(of_window, predictor.threshold, truth[at], [each[chosen] for each in vectors]))
    return _observations(rows)


def observe_strangers(predictor: Predictor, count: int, *, seed: int) -> Observations:
    """Do the same for `count` drawn pictures that have nothing to do with the task."""
    pictures = (prepare(stranger(seed * _SEEDS_APART + index, TILE_SIZE)) for index in range(count))
    nothing = np.zeros((TILE_SIZE, TILE_SIZE), dtype=np.bool_)
    answers = (predictor.answer_tiles(each.image[None])[0] for each in pictures if not each.constant)
    return _observations([_row(answer, predictor.threshold, nothing, _only_window(answer)) for answer in answers])


def _only_window(answer: Answer) -> list[Floats]:
    return [each[0] for each in window_features(answer)[0]]


def fit_scores(familiar: Observations, strange: Observations, windows: Observations | None = None) -> FittedScores:
    """Fit everything.

    Args:
        familiar: of scenes like those that the model was trained on, MIN_SCENES at least.
        strange: of strangers.
        windows: of larger pictures, which are familiar too; their quality is not that of their pictures.
    """
    halves = zip(familiar.halves(), windows.halves() if windows else (None, None), strict=True)
    known, held_out = (scenes.joined(others) for scenes, others in halves)
    vectors = [*known.features, known.numbers]
    references = tuple(fit_reference(each, known.found) for each in vectors)
    distances = [
        reference.distances(each)
        for reference, each in zip(references, [*held_out.features, held_out.numbers], strict=True)
    ]
    of_found, of_nothing = (_towards_the_strange(known, held_out, strange, found=found) for found in (True, False))
    strangeness = Strangeness(
        references,
        tuple(fit_ranks(log_distance(each)) for each in distances),
        discriminants=(of_found[0], of_nothing[0]),
        discriminant_ranks=(of_found[1], of_nothing[1]),
    )
    weights = np.array([*[1.0] * len(references), _DISCRIMINANT_WEIGHT])
    sums = strangeness.parts(held_out.features, held_out.numbers) @ weights
    found, nothing = familiar.part(familiar.found), familiar.part(~familiar.found)
    return FittedScores(
        strangeness,
        weights,
        fit_ranks(sums),
        found=fit_quality(found.trust, found.dice),
        nothing=fit_quality(1 - nothing.highest, nothing.dice),
    )


def _towards_the_strange(
    known: Observations, held_out: Observations, strange: Observations, *, found: bool
) -> tuple[Discriminant, Ranks]:
    """Fit the discriminant and its ranks on the results with foreground, or without; on all, where these are few."""
    groups = [each.part(each.found == found) for each in (known, held_out, strange)]
    if min(map(len, groups)) < _MIN_GROUP:
        groups = [known, held_out, strange]
    of_known, of_held_out, of_strange = (np.hstack([*each.features, each.numbers]) for each in groups)
    discriminant = fit_discriminant(of_known, of_strange)
    return discriminant, fit_ranks(discriminant.values(of_held_out))


def fit_reference(vectors: Floats, found: NDArray[np.bool_]) -> Reference:
    """Fit where vectors (N, D) lie: those of results with foreground and without apart, where there are enough."""
    groups = [group for group in (vectors[found], vectors[~found]) if len(group) >= _MIN_GROUP] or [vectors]
    fitted = [_normal(group) for group in groups]
    return Reference(*(np.stack([each[part] for each in fitted]) for part in range(5)))


def fit_discriminant(familiar: Floats, strange: Floats) -> Discriminant:
    """Fit the direction that tells two sets of vectors (N, D) apart best, both of the same weight (Fisher 1936).

    Of directions in which either hardly varies little is known, so that the covariance is regularised.
    """
    centres, spread = familiar.mean(0), familiar.std(0)
    spread = np.maximum(spread, 1e-3 * max(float(np.abs(familiar).max()), 1e-6))
    of_each = [np.clip((each - centres) / spread, -FAR, FAR) for each in (familiar, strange)]
    covariance = sum(np.cov(each, rowvar=False) for each in of_each) / 2
    apart = of_each[1].mean(0) - of_each[0].mean(0)
    direction = np.linalg.solve(covariance + _REGULARISATION * np.eye(len(apart)), apart)
    return Discriminant(centres, spread, direction / np.linalg.norm(direction))


def _normal(vectors: Floats) -> tuple[Floats, ...]:
    centre, spread = vectors.mean(0), vectors.std(0)
    spread = np.maximum(spread, 1e-3 * max(float(np.abs(vectors).max()), 1e-6))  # what hardly moves tells nothing
    variances, axes = np.linalg.eigh(np.cov((vectors - centre) / spread, rowvar=False).reshape(len(centre), -1))
    variances, axes = variances[::-1], axes[:, ::-1]
    kept = min(_AXES, len(centre))
    floor = 1e-3 * float(variances.mean())
    rest = float(variances[kept:].mean()) if kept < len(centre) else 1.0
    return centre, axes[:, :kept], spread, np.maximum(variances[:kept], floor), np.array(max(rest, floor))


def fit_ranks(values: Floats) -> Ranks:
    """Fit what share of values is as large, on values (N,) of familiar scenes."""
    shares = [share for share in _SHARES if share * len(values) >= _MIN_BEYOND]
    return Ranks(np.quantile(values, [1 - share for share in shares]), -np.log(shares))


def fit_quality(numbers: Floats, dices: Floats) -> QualityTable:
    """Fit the Dice by a number that rises with it; no row where there are too few scenes."""
    if len(dices) < _MIN_GROUP:
        return _NO_TABLE
    order = np.argsort(numbers, kind="stable")
    rows = np.array_split(order, min(_ROWS, len(order) // _MIN_ROWS_SCENES))
    means = isotonic_regression([dices[row].mean() for row in rows], weights=[len(row) for row in rows]).x
    lows = isotonic_regression([np.quantile(dices[row], 0.1) for row in rows]).x
    return QualityTable(np.array([numbers[row].mean() for row in rows]), means, np.minimum(lows, means))


def fit_checkpoint(folder: Path, data: DataConfig, *, seed: int, scenes: int, device: str = "auto") -> str:
    """Fit the scores of a checkpoint folder on held-out samples of its data, and save them there; say how it went.

    Raises:
        UsageError: too few scenes are asked for.
        TooFewSamples: the data has too few.
        CheckpointError: the checkpoint cannot be loaded.
    """
    if scenes < MIN_SCENES:
        raise UsageError(f"{scenes} scenes are too few for a share of one in fifty: use {MIN_SCENES} or more")
    remove_scores(folder)  # what was fitted before need not fit these weights, nor load
    predictor = Predictor.load(folder, device)
    if predictor.intake.channels > 1:
        raise TooFewSamples("what is unfamiliar is told by drawn pictures, which are grey, and the model takes colour")
    where = torch.device(predictor.device_name.split(" ")[0])
    if data.kind == "synthetic":
        # As many as are asked for, and of another run's seeds: those of this run were trained on.
        data, seed = data.model_copy(update={"samples": scenes, "tile_share": 0.0}), seed + 1
    source = open_data(data, seed=seed, batch_size=_AT_ONCE, device=where)
    batches = source.batches(1, NoiseLevel()) if data.kind == "synthetic" else source.calibration()
    observations = observe(predictor, batches, scenes)
    if len(observations) < MIN_SCENES:
        raise TooFewSamples(f"the data has {len(observations)} samples to fit on, and {MIN_SCENES} are needed")
    strangers = observe_strangers(predictor, max(round(_STRANGERS * len(observations)), MIN_SCENES), seed=seed)
    windows = _windows_of_wide(predictor, data, round(_WIDE * len(observations)), seed=seed)
    scores = fit_scores(observations, strangers, windows)
    save_scores(folder, scores, {"scenes": len(observations), "data": predictor.metadata.data_definition.get("name")})
    found = observations.part(observations.found)
    told = f", mean trust {found.trust.mean():.3f}, mean Dice {found.dice.mean():.3f}" if len(found) else ""
    return f"quality and familiarity fitted on {len(observations):,} scenes, something found in {len(found):,}{told}"


def fit_or_say(folder: Path, config: TrainingConfig, *, scenes: int, device: str) -> str:
    """Do as `fit_checkpoint` for new weights, which go without scores, and say so, where the data has too few samples.

    Args:
        folder: of the checkpoint.
        config: that it was trained with.
        scenes: to fit on.
        device: as `shared.net.device.resolve_device` takes it.
    """
    try:
        return fit_checkpoint(folder, config.data, seed=config.seed, scenes=scenes, device=device)
    except TooFewSamples as error:
        return f"note: results of this model get no quality and familiarity: {error}"


def _windows_of_wide(predictor: Predictor, data: DataConfig, windows: int, *, seed: int) -> Observations | None:
    """Observe windows of wide pictures where the model was trained on parts of such."""
    if data.kind != "synthetic" or "field-v1" not in data.mixture:
        return None
    return observe_wide(predictor, FIELD_V1.without(data.held_out), windows, seed=seed)
