"""Fitting of `shared.net.familiarity`: what results on scenes like those trained on look like.

Half of the scenes say where familiar vectors lie, the other half how far from there familiar ones can be, and how good
the results are: distances of the scenes that a distribution was fitted on would be too small. Drawn pictures that have
nothing to do with the task (`training.recipe.strangers`) say, again by halves, in which direction strange ones lie, and
that results on such are bad.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from shared.errors import UsageError
from shared.net.checkpoint import remove_scores, save_scores
from shared.net.familiarity import FittedScores, Strangeness, capped, log_distance, sureness
from shared.net.fits import FAR, Discriminant, Floats, LogOdds, QualityTable, Ranks, Reference
from shared.net.intake import AS_SHIPPED
from shared.net.predictor import Predictor
from shared.synth.field import FIELD_V1
from training.config import TrainingConfig
from training.data.config import DataConfig
from training.data.open import open_data
from training.data.source import NoiseLevel
from training.evaluation.worth import BAD
from training.recipe.observing import (
    Observations,
    WidePictures,
    observe,
    observe_small,
    observe_strangers,
    observe_wide,
)

MIN_SCENES = 200
"""Fewer are no ground for ranks of one in fifty."""

_STRANGERS = 0.6  # as many as of the scenes
_STRANGERS_WEIGHT = 0.02  # in the quality, beside 1 of familiar results
_RIDGE = 0.01  # of the weights of log odds, beside the mean loss
_WIDE = 0.08  # wide pictures, as many as of the scenes
_SMALL = 0.3  # pictures of less than a tile, likewise
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


def fit_scores(
    familiar: Observations, strange: Observations, small: Observations | None = None, wide: WidePictures | None = None
) -> FittedScores:
    """Fit everything.

    Args:
        familiar: of scenes like those that the model was trained on, MIN_SCENES at least.
        strange: of strangers.
        small: of pictures of less than a tile, which are familiar too; they say nothing of how good results are, since
            parts of scenes are no scenes.
        wide: of larger pictures, which are familiar too.
    """
    known, held_out = familiar.halves()
    for others in (small, wide.some_windows() if wide else None):
        if others is not None:
            known, held_out = (each.joined(half) for each, half in zip((known, held_out), others.halves(), strict=True))
    known_strange, held_out_strange = strange.halves()
    strangeness = _fit_strangeness(known, held_out, known_strange)
    of_scenes, of_strangers = (strangeness.parts(each.features, each.numbers) for each in (held_out, held_out_strange))
    odds, ranks = _fit_odds_of_strangers(held_out, of_scenes, held_out_strange, of_strangers)
    parts, judged = _least_familiar(strangeness, odds, familiar.halves()[1], wide)
    ease = sureness(judged.numbers, odds.of(capped(parts)))
    of_strange = sureness(held_out_strange.numbers, odds.of(capped(of_strangers)))
    lots = [(ease, judged, 1.0), (of_strange, held_out_strange, _STRANGERS_WEIGHT)]
    found, nothing = (_fit_quality_of(lots, found=found) for found in (True, False))
    return FittedScores(strangeness, odds, ranks, found, nothing)


def _fit_strangeness(known: Observations, held_out: Observations, strange: Observations) -> Strangeness:
    vectors = [*known.features, known.numbers]
    references = tuple(fit_reference(each, known.found) for each in vectors)
    distances = [
        reference.distances(each)
        for reference, each in zip(references, [*held_out.features, held_out.numbers], strict=True)
    ]
    of_found, of_nothing = (_towards_the_strange(known, held_out, strange, found=found) for found in (True, False))
    return Strangeness(
        references,
        tuple(fit_ranks(log_distance(each)) for each in distances),
        discriminants=(of_found[0], of_nothing[0]),
        discriminant_ranks=(of_found[1], of_nothing[1]),
    )


def _fit_odds_of_strangers(
    scenes: Observations, of_scenes: Floats, strangers: Observations, of_strangers: Floats
) -> tuple[LogOdds, Ranks]:
    """Fit what tells strangers on which something was made up from scenes with good results, by surprises.

    Where these are few, as of a model that is good at nothing, all scenes or strangers are taken.
    """
    are_good, are_made_up = scenes.worth >= BAD, strangers.worth < BAD
    good = capped(of_scenes[are_good] if are_good.sum() >= _MIN_GROUP else of_scenes)
    made_up = capped(of_strangers[are_made_up] if are_made_up.sum() >= _MIN_GROUP else of_strangers)
    shares = np.concatenate([np.full(len(each), 0.5 / len(each)) for each in (good, made_up)])
    odds = fit_odds(np.concatenate([good, made_up]), np.arange(len(shares)) >= len(good), shares)
    return odds, fit_ranks(odds.of(good))


def _fit_quality_of(lots: Sequence[tuple[Floats, Observations, float]], *, found: bool) -> QualityTable:
    """Fit the quality of results with foreground, or without, by lots that each have a weight."""
    chosen = [(ease, results, weight, results.found == found) for ease, results, weight in lots]
    return fit_quality(
        np.concatenate([ease[which] for ease, _, _, which in chosen]),
        np.concatenate([results.worth[which] for _, results, _, which in chosen]),
        np.concatenate([np.full(which.sum(), weight / len(which)) for _, _, weight, which in chosen]),
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

    No weight is under 0: a picture that is stranger in one of the numbers is no less strange.

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

    bounds = [*[(0, None)] * rows.shape[1], (None, None)]
    fitted = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
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
    observations = observe(predictor, batches, scenes)
    if len(observations) < MIN_SCENES:
        raise TooFewSamples(f"the data has {len(observations)} samples to fit on, and {MIN_SCENES} are needed")
    strangers = observe_strangers(predictor, max(round(_STRANGERS * len(observations)), MIN_SCENES), seed=seed)
    wide = _wide_pictures(predictor, data, round(_WIDE * len(observations)), seed=seed)
    small = _small_images(predictor, data, round(_SMALL * len(observations)), seed=seed, device=where)
    scores = fit_scores(observations, strangers, small, wide)
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


def _small_images(
    predictor: Predictor, data: DataConfig, images: int, *, seed: int, device: torch.device
) -> Observations | None:
    """Observe parts of other scenes, where a model gets small images surrounded by more of their ground."""
    if data.kind != "synthetic" or predictor.intake != AS_SHIPPED or not images:
        return None
    others = data.model_copy(update={"samples": images})
    batches = open_data(others, seed=seed + 1, batch_size=_AT_ONCE, device=device).batches(1, NoiseLevel())
    return observe_small(predictor, batches, images, seed=seed)


def _wide_pictures(predictor: Predictor, data: DataConfig, pictures: int, *, seed: int) -> WidePictures | None:
    """Observe wide pictures where the model was trained on parts of such."""
    if data.kind != "synthetic" or "field-v1" not in data.mixture:
        return None
    return observe_wide(predictor, FIELD_V1.without(data.held_out), pictures, seed=seed)
