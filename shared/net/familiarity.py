"""How good a result probably is, and how like training its picture: numbers fitted once, beside the weights.

A result is compared with those of a few thousand scenes like the ones that the model was trained on. `Reference` says
how far a vector lies from where theirs lie, `Ranks` what share of them lies as far. Vectors are the pooled features of
several depths, and numbers of the histogram of probabilities. `Discriminant` tells familiar pictures from drawn ones
that have nothing to do with the task: far off in a direction in which strange pictures lie is stranger than as far off
in another. From all of these together comes the familiarity: of every thousand familiar pictures with good results
about twenty have one under 0.02. The quality is the Dice that results of the same `sureness` had: how sure the network
is of itself says little of pictures that it does not know, so that both are taken into account.

`training.familiarity` fits it. It is arrays alone, kept as safetensors; nothing here needs torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.images.probabilities import MapNumbers
from shared.net.fits import TAIL, Discriminant, Floats, LogOdds, QualityTable, Ranks, Reference

Arrays = Mapping[str, NDArray[Any]]

_MAX_VECTORS = 16
_SHARE_OF_STRANGE = 0.1  # of the pictures that users have, beside 1 of those that the model knows; a guess
_MAX_SURPRISE = 30.0  # e^-30: what is stranger still is not worse for it


def sureness(numbers: Floats, log_odds: Floats) -> Floats:
    """Return how much is to be thought of N results: what the network does, if the pictures are not strange.

    That is the Dice that the map expects of its mask, or without foreground how sure it is of its pixels, times the
    probability that the picture is none of those that the model does not know.

    Args:
        numbers: (N, 4), the vectors of `MapNumbers`.
        log_odds: (N,), that the pictures are strange where every second one is.
    """
    own = 1 - np.exp(np.where(has_foreground(numbers), numbers[:, 0], numbers[:, 1]))
    is_known = 1 / (1 + _SHARE_OF_STRANGE * np.exp(np.minimum(log_odds, _MAX_SURPRISE)))
    sure: Floats = own * is_known
    return sure


def capped(parts: Floats) -> Floats:
    """Return surprises no higher than they mean something."""
    surprises: Floats = np.minimum(parts, _MAX_SURPRISE)
    return surprises


@dataclass(frozen=True, eq=False)
class Strangeness:
    """All that says of a window how strange each of its vectors is."""

    references: tuple[Reference, ...]  # of each depth, then of the map's numbers
    ranks: tuple[Ranks, ...]  # of the logarithms of their distances
    discriminants: tuple[Discriminant, Discriminant]  # of results with foreground, and of those without
    discriminant_ranks: tuple[Ranks, Ranks]  # of their values

    def parts(self, features: tuple[NDArray[np.floating], ...], numbers: Floats) -> Floats:
        """Return the surprise of each vector alone, and by the discriminant, (N, vectors + 1).

        Args:
            features: of each depth (N, 2C), see `window_vectors`.
            numbers: (N, 4), the vectors of `MapNumbers`.

        Raises:
            ValueError: the features are those of another network.
        """
        vectors = [np.asarray(each, np.float64) for each in (*features, numbers)]
        parts = [
            ranks.surprise(log_distance(reference.distances(each)))
            for reference, ranks, each in zip(self.references, self.ranks, vectors, strict=True)
        ]
        together, is_found = np.hstack(vectors), has_foreground(numbers)
        strange = np.empty(len(together))
        for which, discriminant, ranks in zip(
            (is_found, ~is_found), self.discriminants, self.discriminant_ranks, strict=True
        ):
            if which.any():
                strange[which] = ranks.surprise(discriminant.values(together[which]))
        return np.stack([*parts, strange], axis=1)


@dataclass(frozen=True, eq=False)
class FittedScores:
    """All that was fitted for one model's weights."""

    strangeness: Strangeness
    strange: LogOdds  # that a picture is none of those that the model knows, by its surprises alone
    strange_ranks: Ranks  # among familiar pictures with good results
    found: QualityTable  # by `sureness`, of results that have foreground
    nothing: QualityTable  # of those that have none

    def quality(self, parts: Floats, numbers: MapNumbers, windows: float = 1.0) -> tuple[float, float] | None:
        """Return the Dice to be expected, and what nine of ten such results have; None where it was not fitted.

        Where there is nothing in a picture, a result that says so counts as 1 and any other as 0.

        Args:
            parts: (P,), see `Strangeness.parts`, of the least familiar window …
            numbers: of the whole map.
            windows: … of so many: one of many is strange by chance, and the picture is not for that.
        """
        odds = self.strange.of(capped(parts[None]))
        surprise = surprise_of_least_familiar(float(self.strange_ranks.surprise(odds)[0]), windows)
        odds = np.minimum(odds, self.strange_ranks.value(surprise))
        table = self.found if numbers.foreground else self.nothing
        found = table.look_up(float(sureness(numbers.vector[None], odds)[0]))
        return found and (min(max(found[0], 0.0), 1.0), min(max(found[1], 0.0), 1.0))

    def surprises(self, parts: Floats) -> Floats:
        """Return how surprising N windows are, by their `Strangeness.parts` (N, P)."""
        return self.strange_ranks.surprise(self.strange.of(capped(parts)))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it as named arrays, float32."""
        arrays: dict[str, Any] = {}
        for name in ("references", "ranks", "discriminants", "discriminant_ranks"):
            for index, part in enumerate(getattr(self.strangeness, name)):
                arrays |= _prefixed(f"{name}.{index}", part)
        for name in ("strange", "strange_ranks", "found", "nothing"):
            arrays |= _prefixed(name, getattr(self, name))
        return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in arrays.items()}

    @staticmethod
    def are_of_an_older_version(arrays: Arrays) -> bool:
        """Whether these were fitted before a quality took the familiarity into account."""
        return "sum_ranks.values" in arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Invert `to_arrays`.

        Raises:
            KeyError: an array is missing.
            ValueError: one does not fit the others.
        """
        values = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
        parts = values["strange.weights"]
        if parts.ndim != 1 or not 2 <= len(parts) <= _MAX_VECTORS:
            raise ValueError("strange.weights is no list of a few numbers")
        indices = range(len(parts) - 1)  # the last is the discriminants'
        scores = cls(
            Strangeness(
                references=tuple(_built(Reference, f"references.{index}", values) for index in indices),
                ranks=tuple(_built(Ranks, f"ranks.{index}", values) for index in indices),
                discriminants=_pair(Discriminant, "discriminants", values),
                discriminant_ranks=_pair(Ranks, "discriminant_ranks", values),
            ),
            strange=_built(LogOdds, "strange", values),
            strange_ranks=_built(Ranks, "strange_ranks", values),
            found=_built(QualityTable, "found", values),
            nothing=_built(QualityTable, "nothing", values),
        )
        scores._check()
        return scores

    def _check(self) -> None:
        strangeness = self.strangeness
        for reference in strangeness.references:
            groups, numbers = _sides(reference.centres, 2)
            directions = _sides(reference.axes, 3)[2]
            _require(reference.axes.shape == (groups, numbers, directions), "axes")
            _require(reference.spread.shape == (groups, numbers) and bool((reference.spread > 0).all()), "spread")
            _require(
                reference.variances.shape == (groups, directions) and bool((reference.variances > 0).all()), "variances"
            )
            _require(reference.rest.shape == (groups,) and bool((reference.rest > 0).all()), "rest")
        together = sum(reference.centres.shape[1] for reference in strangeness.references)
        for each in strangeness.discriminants:
            fits = all(part.shape == (together,) for part in (each.centres, each.spread, each.direction))
            _require(fits and bool((each.spread > 0).all()), "a discriminant")
        for ranks in (*strangeness.ranks, *strangeness.discriminant_ranks, self.strange_ranks):
            _require(_sides(ranks.values, 1)[0] >= TAIL and ranks.values.shape == ranks.surprises.shape, "ranks")
        odds, parts = self.strange, len(strangeness.references) + 1
        fits = all(part.shape == (parts,) for part in (odds.centres, odds.spread, odds.weights))
        _require(fits and odds.offset.shape == (1,) and bool((odds.spread > 0).all()), "log odds")
        for table in (self.found, self.nothing):
            rows = (table.numbers, table.means, table.lows)
            _require(all(row.ndim == 1 and len(row) == len(rows[0]) for row in rows), "a quality table")


def surprise_of_least_familiar(surprise: float, windows: float) -> float:
    """Return −log of the share of familiar pictures of so many windows whose least familiar one is as surprising.

    That share is 1 − (1 − share of windows) ^ windows (Šidák 1967).
    """
    share = min(np.exp(-surprise), 1 - 1e-12)
    return float(-np.log(-np.expm1(windows * np.log1p(-share))))


def has_foreground(numbers: Floats) -> NDArray[np.bool_]:
    """Return which vectors (N, 4) of `MapNumbers` are of results that found something."""
    found: NDArray[np.bool_] = numbers[:, 2] > 0
    return found


def log_distance(distances: Floats) -> Floats:
    """Return what `Ranks` of distances are asked with: beyond the familiar, shares fall as a power of the distance."""
    result: Floats = np.log(np.maximum(distances, 1e-6))
    return result


def window_vectors(features: NDArray[np.float32]) -> Floats:
    """Return the roots of means and of standard deviations, (N, 2C), of windows of 2×2 blocks, or of what there is.

    Roots, since features are not negative and skewed: so they are nearer to a normal distribution.

    Args:
        features: of one depth and tile, (2C, rows, columns), see `shared.net.network.Trunk`. The windows go from the
            top left, each one block further than the one before.
    """
    blocks = np.asarray(features, np.float64)
    if blocks.shape[1] > 1:
        blocks = (blocks[:, 1:] + blocks[:, :-1]) / 2
    if blocks.shape[2] > 1:
        blocks = (blocks[:, :, 1:] + blocks[:, :, :-1]) / 2
    means, squares = np.split(blocks.reshape(len(blocks), -1).T, 2, axis=1)
    vectors: Floats = np.concatenate([means, np.sqrt(np.maximum(squares - means**2, 0.0))], axis=1)
    return np.sqrt(np.maximum(vectors, 0.0))


def _sides(array: Floats, dimensions: int) -> tuple[int, ...]:
    _require(array.ndim == dimensions and array.size > 0, "an array")
    return array.shape


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"{what} does not fit the others, or is out of range")


def _prefixed(prefix: str, part: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in vars(part).items()}


def _built(kind: Any, prefix: str, values: Arrays) -> Any:
    return kind(**{name: values[f"{prefix}.{name}"] for name in kind.__dataclass_fields__})


def _pair(kind: Any, prefix: str, values: Arrays) -> Any:
    return _built(kind, f"{prefix}.0", values), _built(kind, f"{prefix}.1", values)
