"""Fits to vectors and numbers of familiar scenes, each alone; `shared.net.familiarity` puts them together.

Arrays are float64 and nothing here needs torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TAIL = 4
"""Last entries of `Ranks`, whose slope goes on."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Where the vectors of familiar scenes lie: a normal distribution for each group of them.

    Of D numbers, K directions have variances of their own, and the rest has one together.
    """

    centres: Floats  # (groups, D)
    axes: Floats  # (groups, D, K), of unit length in units of `spread`
    spread: Floats  # (groups, D): standard deviations
    variances: Floats  # (groups, K)
    rest: Floats  # (groups,): variance of a direction that is none of the K

    def distances(self, vectors: Floats) -> Floats:
        """Return the Mahalanobis distance of each vector (N, D) to the nearest group, in root mean squares."""
        nearest: Floats = np.min(list(self._by_group(vectors)), axis=0)
        return nearest

    def _by_group(self, vectors: Floats) -> Iterator[Floats]:
        for group, centre in enumerate(self.centres):
            apart = (vectors - centre) / self.spread[group]
            along = apart @ self.axes[group]
            squares = (along**2 / self.variances[group]).sum(1)
            outside = np.maximum((apart**2).sum(1) - (along**2).sum(1), 0.0)
            yield np.sqrt((squares + outside / self.rest[group]) / vectors.shape[1])


@dataclass(frozen=True, eq=False)
class Discriminant:
    """A direction from the familiar towards the strange, in all vectors put together (Fisher 1936)."""

    centres: Floats  # (D,): means of the familiar
    spread: Floats  # (D,): their standard deviations
    direction: Floats  # (D,), in units of `spread`

    def values(self, vectors: Floats) -> Floats:
        """Return how far each of the vectors (N, D) lies in that direction."""
        apart = (vectors - self.centres) / self.spread
        values: Floats = np.clip(apart, -FAR, FAR) @ self.direction
        return values


FAR = 8.0  # deviations, beyond which one number says no more


@dataclass(frozen=True, eq=False)
class Ranks:
    """What share of the familiar has a value as large: a table, continued beyond its end as it ends.

    The shares are kept as surprises, −log of them.
    """

    values: Floats  # (T,), rising
    surprises: Floats  # (T,), rising

    def surprise(self, values: Floats) -> Floats:
        """Return −log of the share of familiar scenes whose value is this or more; 0 below all of them."""
        inside: Floats = np.interp(values, self.values, self.surprises)
        beyond = np.maximum(values - self.values[-1], 0.0)
        surprises: Floats = inside + self._slope * beyond
        return surprises

    def value(self, surprise: float) -> float:
        """Return the largest value that is no more surprising than this, of those in the table or beyond its end."""
        inside = np.interp(surprise, self.surprises, self.values)
        return float(inside + max(surprise - self.surprises[-1], 0.0) / self._slope)

    @property
    def _slope(self) -> float:
        run = max(self.values[-1] - self.values[-TAIL], 1e-9)
        return float(max(self.surprises[-1] - self.surprises[-TAIL], 1e-9) / run)


@dataclass(frozen=True, eq=False)
class LogOdds:
    """The log odds of something by what is known of a result: a logistic regression (Cox 1958)."""

    centres: Floats  # (D,): means
    spread: Floats  # (D,): standard deviations
    weights: Floats  # (D,), in units of `spread`
    offset: Floats  # (1,)

    def of(self, rows: Floats) -> Floats:
        """Return the log odds for each of the rows (N, D)."""
        odds: Floats = (rows - self.centres) / self.spread @ self.weights + self.offset
        return odds


@dataclass(frozen=True, eq=False)
class QualityTable:
    """The Dice of scenes by a number that rises with it, between the rows by straight lines; no row: not known."""

    numbers: Floats  # (T,), rising
    means: Floats  # (T,), rising
    lows: Floats  # (T,), rising; nine of ten scenes have more

    def look_up(self, number: float) -> tuple[float, float] | None:
        """Return the mean and what nine of ten have."""
        if not len(self.numbers):
            return None
        return float(np.interp(number, self.numbers, self.means)), float(np.interp(number, self.numbers, self.lows))
