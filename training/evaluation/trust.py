"""Do a result's own numbers tell the bad ones? Ranking, what is caught, risk by coverage, and calibration.

A result is bad where its Dice is under 0.7, or where foreground was made up (`Result.is_bad`).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shared.db.reasons import UNFAMILIAR_BELOW
from training.evaluation.results import Result

FALSE_ALARMS = 0.05
"""The share of the benchmark's good results that may be flagged."""

BENCHMARK, HELD_OUT, FOREIGN = "dotblob-v1", "held out", "foreign"
UNSEEN = "unseen: held out and foreign"
ALL = "all"

_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
_BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_ESTIMATES = ("trust", "quality")
"""The scores that are meant as estimates of Dice."""

Scores = NDArray[np.float64]


def trust_report(results: Sequence[Result]) -> dict[str, Any]:
    """Return what each score tells about the results: {"groups": counts, "scores": …, "calibration": …, "headline": …}.

    A score is judged on the results that have it. Of the headline's figures the last is of those that the product calls
    unfamiliar, at its own threshold.
    """
    bad = np.array([result.is_bad for result in results])
    scores = {name: _score_report(known, values) for name, known, values in _scored(results)}
    return {
        "headline": _headline(scores) | _called_unfamiliar(results),
        "groups": {
            name: {"good": int((~bad & of).sum()), "bad": int((bad & of).sum())}
            for name, of in _groups(results).items()
        },
        "scores": scores,
        "calibration": {name: _calibrations(results, name) for name in _ESTIMATES if name in scores},
    }


def _scored(results: Sequence[Result]) -> Iterator[tuple[str, list[Result], Scores]]:
    """Yield every score's name, the results that have it, and their values."""
    for name in dict.fromkeys(name for result in results for name in result.scores):
        known = [result for result in results if name in result.scores]
        yield name, known, _values(known, name)


def _values(results: Sequence[Result], name: str) -> Scores:
    return np.array([result.scores[name] for result in results], dtype=np.float64)


def auroc(good: Scores, bad: Scores) -> float | None:
    """Compute how often a good result has the higher score of a pair of a good and a bad one; None without such pairs.

    Ties count half: the area under the receiver operating characteristic by the ranks (Mann and Whitney, 1947).
    """
    if not good.size or not bad.size:
        return None
    ranks = rankdata(np.concatenate([good, bad]))[: good.size]
    return float((ranks.sum() - good.size * (good.size + 1) / 2) / (good.size * bad.size))


def alarm_threshold(results: Sequence[Result], name: str) -> float | None:
    """Return the score under which a result is flagged: 5 % of the benchmark's good ones are; None without such."""
    good = [r.scores[name] for r in results if _group(r) == BENCHMARK and not r.is_bad and name in r.scores]
    return float(np.quantile(good, FALSE_ALARMS)) if good else None


def foremost(names: Iterable[str]) -> str:
    """Return the score among these that is meant to tell all bad results: the quality, else the trust."""
    return "quality" if "quality" in set(names) else "trust"


def is_unfamiliar(result: Result) -> bool | None:
    """Whether the product calls a result's picture unfamiliar; None where its familiarity is not known."""
    familiarity = result.scores.get("familiarity")
    return None if familiarity is None else familiarity < UNFAMILIAR_BELOW


def _called_unfamiliar(results: Sequence[Result]) -> dict[str, float]:
    called = [of for of in map(is_unfamiliar, (result for result in results if not result.is_bad)) if of is not None]
    return {"good_called_unfamiliar": float(np.mean(called))} if called else {}


def _headline(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the two figures of the foremost score that have a target."""
    name = foremost(scores)
    groups = scores[name]["groups"]
    return {"score": name, "auroc_unseen": groups[UNSEEN]["auroc"], "good_flagged": groups[ALL]["good_flagged"]}


def _group(result: Result) -> str:
    return HELD_OUT if result.kind.is_held_out else result.kind.group


def _groups(results: Sequence[Result]) -> dict[str, NDArray[np.bool_]]:
    """Return which results belong to each group, in the order in which they come; some are of several."""
    of = np.array([_group(result) for result in results])
    groups = {name: of == name for name in dict.fromkeys(of.tolist())}
    groups[UNSEEN] = (of == HELD_OUT) | (of == FOREIGN)
    groups[ALL] = np.ones(len(of), dtype=np.bool_)
    return groups


def _score_report(results: Sequence[Result], score: Scores) -> dict[str, Any]:
    groups = _groups(results)
    bad = np.array([result.is_bad for result in results])
    worth = np.array([result.worth for result in results])
    usual = score[groups.get(BENCHMARK, groups[ALL]) & ~bad]
    flagged = score < np.quantile(usual, FALSE_ALARMS) if usual.size else np.zeros(score.shape, dtype=np.bool_)
    by_group = {
        name: {
            "auroc": auroc(score[~bad], score[bad & of]),
            "caught": _share(flagged, bad & of),
            "good_flagged": _share(flagged, ~bad & of),
        }
        for name, of in groups.items()
    }
    return {"groups": by_group, "risk": _risk(score, bad, worth)}


def _share(flagged: NDArray[np.bool_], of: NDArray[np.bool_]) -> float | None:
    return float(flagged[of].mean()) if of.any() else None


def _risk(score: Scores, bad: NDArray[np.bool_], worth: Scores) -> dict[str, dict[str, float]]:
    """Return the mean worth, and the share of bad results, of those that are kept of the most trusted."""
    order = np.argsort(-score, kind="stable")
    rows = {}
    for coverage in _COVERAGES:
        kept = order[: max(round(coverage * len(order)), 1)]
        rows[f"{coverage:.0%}"] = {"worth": float(worth[kept].mean()), "bad": float(bad[kept].mean())}
    return rows


def _rank_among(values: Scores, reference: Scores) -> Scores:
    """Return the share of the reference that is lower than each value."""
    ranks: Scores = np.searchsorted(np.sort(reference), values) / max(reference.size, 1)
    return ranks


def _calibrations(results: Sequence[Result], name: str) -> dict[str, Any]:
    """Return the estimate against the true Dice, on the benchmark and on all others that have a truth and an answer."""
    judged = [result for result in results if result.dice is not None and result.is_answered and name in result.scores]
    sets = {
        "dotblob-v1": [r for r in judged if _group(r) == BENCHMARK],
        "field-v1": [r for r in judged if _group(r) != BENCHMARK],
    }
    return {
        which: _calibration(np.array([r.scores[name] for r in each]), np.array([r.dice for r in each], dtype=float))
        for which, each in sets.items()
        if each
    }


def _calibration(estimate: Scores, dice: Scores) -> dict[str, Any]:
    bins = {}
    for low, high in itertools.pairwise(_BINS):
        inside = (estimate >= low) & ((estimate < high) | (high == _BINS[-1]))
        if inside.any():
            bins[f"{low:g} to {high:g}"] = {
                "images": int(inside.sum()),
                "estimate": float(estimate[inside].mean()),
                "dice": float(dice[inside].mean()),
            }
    error = estimate - dice
    spread = estimate.std() * dice.std()
    return {
        "bins": bins,
        "bias": float(error.mean()),
        "mean_absolute_error": float(np.abs(error).mean()),
        "correlation": float(((estimate - estimate.mean()) * (dice - dice.mean())).mean() / spread) if spread else None,
    }
