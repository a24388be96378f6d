"""What the report of a job counts, in one pass over its items and in memory that does not grow with them."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from shared.db.measurements import MEASUREMENTS, Measurement
from shared.jobs.records import Item
from shared.jobs.state import ItemStatus

WORST = 20
BINS = 24  # an even number, so that two may become one
_EXAMPLES = 3


@dataclass
class Distribution:
    """A histogram in BINS steps, with the mean.

    Args:
        low: where the range begins.
        high: where it ends, `low` + BINS to begin with where it grows.
        grows: whether the range becomes twice as wide as often as a value needs it.
    """

    low: float
    high: float
    grows: bool = False
    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    count: int = 0
    total: float = 0.0

    @classmethod
    def of(cls, measurement: Measurement) -> Self:
        """Return an empty one over the range of a measurement, which may have no end."""
        low = measurement.minimum or 0.0
        if measurement.maximum is None:
            return cls(low, low + BINS, grows=True)
        return cls(low, measurement.maximum)

    def add(self, value: float) -> None:
        """Count a value; the ends of a range that does not grow belong to it."""
        while self.grows and value >= self.high:
            self.high += self.high - self.low
            self.bins = [sum(self.bins[at : at + 2]) for at in range(0, BINS, 2)] + [0] * (BINS // 2)
        step = int((value - self.low) / (self.high - self.low) * BINS)
        self.bins[min(max(step, 0), BINS - 1)] += 1
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float:
        """The mean of what was counted; there is something."""
        return self.total / self.count


@dataclass
class Cause:
    """Why images have no result: how many, and a few of them as (path, reason)."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, reason: str) -> None:
        """Count an image."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append((path, reason))


class Numbers:
    """The counts of some items."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Count them."""
        self.states: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.grades: Counter[str] = Counter()
        self.corrected = 0
        self.causes: dict[str, Cause] = {}
        self.provenance: dict[str, Counter[str]] = {
            name: Counter() for name in ("model", "threshold", "preprocessing", "code_version", "device")
        }
        self.distributions = {name: Distribution.of(of) for name, of in MEASUREMENTS.items() if of.minimum is not None}
        self._worst: list[tuple[float, int, Item]] = []
        self.first: float | None = None
        self.last: float | None = None
        for item in items:
            self._add(item)

    @property
    def worst(self) -> list[Item]:
        """The least trusted results, the worst first: by quality, or by trust where no scores were fitted."""
        return [item for _, _, item in sorted(self._worst, key=lambda entry: (-entry[0], -entry[1]))]

    @property
    def objects(self) -> int | None:
        """How many objects all results have together; None where none has been counted."""
        counted = self.distributions["objects"]
        return int(counted.total) if counted.count else None

    @property
    def span(self) -> str:
        """When the results came about."""
        return " to ".join(dict.fromkeys(moment(time) for time in (self.first, self.last) if time is not None))

    def _add(self, item: Item) -> None:
        self.states[item.state.value] += 1
        if item.state is ItemStatus.FAILED:
            self.causes.setdefault(item.error_code or "", Cause()).add(item.path, item.error or "")
        if item.state is not ItemStatus.SUCCEEDED:
            return
        for mark in item.marks:
            self.marks[mark.label] += 1
        if item.review.grade is not None:
            self.grades[item.review.grade.value] += 1
        self.corrected += item.review.correction_key is not None
        for name, counted in self.provenance.items():
            if (value := getattr(item, name)) is not None:
                counted[str(value)] += 1
        for name, distribution in self.distributions.items():
            if (value := getattr(item, name)) is not None:
                distribution.add(value)
        if item.finished_at is not None:
            self.first = min(self.first or item.finished_at, item.finished_at)
            self.last = max(self.last or item.finished_at, item.finished_at)
        if (score := item.trust if item.quality is None else item.quality) is not None:
            entry = (-score, -item.number, item)
            (heapq.heappush if len(self._worst) < WORST else heapq.heappushpop)(self._worst, entry)


def moment(seconds: float) -> str:
    """Return a time as people read it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
