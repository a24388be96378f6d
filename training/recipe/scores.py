"""Fitting of `shared.net.familiarity`: what results on scenes like those trained on look like.

Half of the scenes say where familiar vectors lie, the other half how far from there familiar ones can be, and how good
the results are: distances of the scenes that a distribution was fitted on would be too small. Drawn pictures that have
nothing to do with the task (`training.recipe.strangers`) say, again by halves, in which direction strange ones lie, and
that results on such are bad.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from shared.errors import UsageError
from shared.net.checkpoint import remove_scores, save_scores
from shared.net.familiarity import (
    FAR,
    Discriminant,
    FittedScores,
    Floats,
    LogOdds,
    QualityTable,
    Ranks,
    Reference,
    Strangeness,
    capped,
    evidence,
    log_distance,
)
from shared.net.predictor import Predictor
from shared.synth.field import FIELD_V1
from training.config import TrainingConfig
from training.data.config import DataConfig
from training.data.open import open_data
from training.data.source import NoiseLevel
from training.evaluation.worth import BAD
from training.recipe.observing import Observations, WidePictures, observe, observe_strangers, observe_wide

MIN_SCENES = 200
"""Fewer are no ground for ranks of one in fifty."""

_STRANGERS = 0.6  # as many as of the scenes
_STRANGERS_WEIGHT = 0.3  # of the evidence, beside 1 of familiar results
_RIDGE = 0.01  # of the weights of log odds, beside the mean loss
_WIDE = 0.08  # wide pictures, as many as of the scenes
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
class Evidence:
    """What is known of N results, and what they are worth."""

    rows: Floats  # (N, D), see `shared.net.familiarity.evidence`
    found: NDArray[np.bool_]  # (N,), whether the mask has foreground
    worth: Floats  # (N,)
    shares: Floats  # (N,), of their weight in what is fitted; 1 together

    @classmethod
    def of(cls, *parts: tuple[Floats, Observations, float]) -> Self:
        """Gather results with the surprises of their vectors; each lot of them has a weight."""
        together = sum(weight for _, _, weight in parts)
        return cls(
            np.concatenate([evidence(surprises, results.numbers) for surprises, results, _ in parts]),
            np.concatenate([results.found for _, results, _ in parts]),
            np.concatenate([results.worth for _, results, _ in parts]),
            np.concatenate([np.full(len(results), weight / together / len(results)) for _, results, weight in parts]),
        )


def fit_scores(familiar: Observations, strange: Observations, wide: WidePictures | None = None) -> FittedScores:
    """Fit everything.

    Args:
        familiar: of scenes like those that the model was trained on, MIN_SCENES at least.
        strange: of strangers.
        wide: of larger pictures, which are familiar too.
    """
    windows = wide.some_windows().halves() if wide else (None, None)
    known, held_out = (scenes.joined(others) for scenes, others in zip(familiar.halves(), windows, strict=True))
    vectors = [*known.features, known.numbers]
    references = tuple(fit_reference(each, known.found) for each in vectors)
    distances = [
        reference.distances(each)
        for reference, each in zip(references, [*held_out.features, held_out.numbers], strict=True)
    ]
    known_strange, held_out_strange = strange.halves()
    of_found, of_nothing = (
        _towards_the_strange(known, held_out, known_strange, found=found) for found in (True, False)
    )
    strangeness = Strangeness(
        references,
        tuple(fit_ranks(log_distance(each)) for each in distances),
        discriminants=(of_found[0], of_nothing[0]),
        discriminant_ranks=(of_found[1], of_nothing[1]),
    )
    of_scenes, of_strangers = (strangeness.parts(each.features, each.numbers) for each in (held_out, held_out_strange))
    odds, odds_ranks = _fit_strange(held_out, of_scenes, held_out_strange, of_strangers)
    judged = Evidence.of(
        (*_least_familiar(strangeness, odds, familiar.halves()[1], wide), 1.0),
        (of_strangers, held_out_strange, _STRANGERS_WEIGHT),
    )
    doubt = fit_odds(judged.rows, judged.worth < BAD, judged.shares)
    ease = -doubt.of(judged.rows)
    found, nothing = (
        fit_quality(ease[which], judged.worth[which], judged.shares[which]) for which in (judged.found, ~judged.found)
    )
    return FittedScores(strangeness, odds, odds_ranks, doubt, found, nothing)


def _fit_strange(
    scenes: Observations, of_scenes: Floats, strangers: Observations, of_strangers: Floats
) -> tuple[LogOdds, Ranks]:
    """Fit what tells strangers on which something was made up from scenes with good results, by surprises."""
    good = capped(of_scenes[scenes.worth >= BAD])
    made_up = capped(of_strangers[strangers.worth < BAD])
    shares = np.concatenate([np.full(len(each), 0.5 / len(each)) for each in (good, made_up)])
    odds = fit_odds(np.concatenate([good, made_up]), np.arange(len(shares)) >= len(good), shares)
    return odds, fit_ranks(odds.of(good))


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


def _least_familiar(
    strangeness: Strangeness, strange: LogOdds, scenes: Observations, wide: WidePictures | None
) -> tuple[Floats, Observations]:
    """Return the surprises of scenes, and of wide pictures those of the window that a worker would look at."""
    parts = strangeness.parts(scenes.features, scenes.numbers)
    if wide is None:
        return parts, scenes
    of_windows = strangeness.parts(wide.windows.features, wide.windows.numbers)
    strangest = strange.of(capped(of_windows)).reshape(-1, wide.of_each).argmax(1)
    worst = of_windows[np.arange(len(strangest)) * wide.of_each + strangest]
    return np.concatenate([parts, worst]), scenes.joined(wide.wholes)


def fit_odds(rows: Floats, are_so: NDArray[np.bool_], shares: Floats) -> LogOdds:
    """Fit what says of rows (N, D) how likely they are so, by logistic regression with a ridge.

    Args:
        rows: numbers of N results.
        are_so: which of them are (N,).
        shares: the weight of each (N,); 1 together.
    """
    centres, spread = rows.mean(0), np.maximum(rows.std(0), 1e-6)
    scaled, signs = (rows - centres) / spread, np.where(are_so, 1.0, -1.0)

    def loss(fitted: Floats) -> tuple[float, Floats]:
        weights, offset = fitted[:-1], fitted[-1]
        margins = signs * (scaled @ weights + offset)
        value = shares @ np.logaddexp(0, -margins) + _RIDGE / 2 * weights @ weights
        pulls = -shares * signs * expit(-margins)
        return float(value), np.append(pulls @ scaled + _RIDGE * weights, pulls.sum())

    fitted = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return LogOdds(centres, spread, fitted[:-1], fitted[-1:])


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


def fit_quality(numbers: Floats, worths: Floats, shares: Floats) -> QualityTable:
    """Fit what results are worth by a number that rises with it; no row where there are too few.

    Args:
        numbers: of N results.
        worths: what each is worth.
        shares: the weight of each.
    """
    if len(worths) < _MIN_GROUP:
        return _NO_TABLE
    order = np.argsort(numbers, kind="stable")
    rows = np.array_split(order, min(_ROWS, len(order) // _MIN_ROWS_SCENES))
    weights = [shares[row].sum() for row in rows]
    means = [np.average(worths[row], weights=shares[row]) for row in rows]
    lows = [np.quantile(worths[row], 0.1, weights=shares[row], method="inverted_cdf") for row in rows]
    means, lows = (isotonic_regression(values, weights=weights).x for values in (means, lows))
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
    observations = observe(predictor, batches, scenes, seed=seed)
    if len(observations) < MIN_SCENES:
        raise TooFewSamples(f"the data has {len(observations)} samples to fit on, and {MIN_SCENES} are needed")
    strangers = observe_strangers(predictor, max(round(_STRANGERS * len(observations)), MIN_SCENES), seed=seed)
    wide = _wide_pictures(predictor, data, round(_WIDE * len(observations)), seed=seed)
    scores = fit_scores(observations, strangers, wide)
    save_scores(folder, scores, {"scenes": len(observations), "data": predictor.metadata.data_definition.get("name")})
    found = int(observations.found.sum())
    return (
        f"quality and familiarity fitted on {len(observations):,} scenes, something found in {found:,}, "
        f"of {observations.worth.mean():.3f} in the mean"
    )


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


def _wide_pictures(predictor: Predictor, data: DataConfig, pictures: int, *, seed: int) -> WidePictures | None:
    """Observe wide pictures where the model was trained on parts of such."""
    if data.kind != "synthetic" or "field-v1" not in data.mixture:
        return None
    return observe_wide(predictor, FIELD_V1.without(data.held_out), pictures, seed=seed)
