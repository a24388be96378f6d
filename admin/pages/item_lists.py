"""What the pages of a job say of its items: the words of the address, columns of the table, distributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import request

from shared.db.measurements import MEASUREMENTS
from shared.errors import ItemErrorCode
from shared.flows.item_words import ItemWords, item_words
from shared.images.notes import NoteCode
from shared.jobs.item_filter import ItemSort
from shared.jobs.item_search import ItemSearch
from shared.jobs.records import Job, Mark
from shared.jobs.state import ItemStatus

TABLE = "table"
DISTRIBUTIONS = tuple(MEASUREMENTS)
BARS = 40


@dataclass(frozen=True)
class Column:
    """A column of the table: its name, its label, and the words of an order by it."""

    name: str
    label: str
    is_number: bool = True

    def next_sort(self, sort: ItemSort) -> str:
        """Return the order that a click on its head asks for."""
        return f"-{self.name}" if sort.column == self.name and not sort.descending else self.name

    def aria_sort(self, sort: ItemSort) -> str | None:
        """Return how the table is sorted by it, as browsers tell it."""
        if sort.column != self.name:
            return None
        return "descending" if sort.descending else "ascending"


COLUMNS: Sequence[Column] = (
    Column("path", "File", is_number=False),
    Column("state", "State", is_number=False),
    *(Column(name, measurement.label) for name, measurement in MEASUREMENTS.items()),
    Column("seconds", "Time"),
    Column("error_code", "Cause", is_number=False),
)


@dataclass(frozen=True)
class Bar:
    """A part of a distribution: where it begins and ends, and how high it is, up to 100."""

    low: float
    high: float
    height: float


@dataclass(frozen=True)
class Distribution:
    """How the values of a measurement are spread over a job."""

    name: str
    label: str
    bars: Sequence[Bar]
    values: int  # that it was drawn from

    @property
    def range(self) -> tuple[float, float]:
        """Where it begins and ends."""
        return self.bars[0].low, self.bars[-1].high


def asked() -> tuple[ItemWords, dict[str, str]]:
    """Return what the address asks for, and all of its words that a link to another page keeps.

    Raises:
        UsageError: a word does not fit.
    """
    words = item_words(request.args)
    return words, words.words() | ({"view": TABLE} if request.args.get("view") == TABLE else {})


def choices() -> Mapping[str, Sequence[str]]:
    """Return the words that a form offers."""
    return {
        "states": list(ItemStatus),
        "marks": list(Mark),
        "codes": list(ItemErrorCode),
        "notes": list(NoteCode),
    }


def distributions(search: ItemSearch, job: Job) -> list[Distribution]:
    """Return how the measurements of DISTRIBUTIONS are spread, without those that no image has."""
    rows = search.sample(DISTRIBUTIONS, job.counts.total)
    made = []
    for place, name in enumerate(DISTRIBUTIONS):
        values = [value for row in rows if (value := row[place]) is not None]
        if values:
            made.append(Distribution(name, MEASUREMENTS[name].label, _bars(name, values), len(values)))
    return made


def _bars(name: str, values: Sequence[float]) -> list[Bar]:
    measurement = MEASUREMENTS[name]
    low = min(values) if measurement.minimum is None else measurement.minimum
    high = max(values) if measurement.maximum is None else measurement.maximum
    width = (high - low) / BARS or 1.0
    counts = [0] * BARS
    for value in values:
        counts[min(int((value - low) / width), BARS - 1)] += 1
    most = max(counts)
    # The square root, so that a bar of few among one of very many is seen.
    return [
        Bar(low + place * width, low + (place + 1) * width, 100 * float(count / most) ** 0.5)
        for place, count in enumerate(counts)
    ]
