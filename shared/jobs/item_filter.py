"""Which items of a job are wanted, and in which order: typed values, and the SQL that they stand for.

Every condition but that on the name has an index that serves it, see `shared.db.tables.jobs`; so has every order.
Measurements come from their registry: one that is declared there can be filtered and sorted by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import ColumnElement, and_, literal_column, or_

from shared.db.measurements import MEASUREMENTS
from shared.db.reasons import Reason
from shared.db.tables.jobs import HAS_FAILED, HAS_NOTE, IS_SUCCEEDED, IS_UNFAMILIAR, NOTHING_FOUND, ItemRow
from shared.errors import ItemErrorCode, UsageError
from shared.images.notes import NoteCode
from shared.jobs.records import Mark
from shared.jobs.state import ItemStatus

MARKED: Mapping[Mark, ColumnElement[bool]] = {
    Mark.NOTHING_FOUND: NOTHING_FOUND,
    Mark.UNFAMILIAR: IS_UNFAMILIAR,
    Mark.NOTED: HAS_NOTE,
}
"""The conditions of rows with a mark. An item that is tried again keeps none: its measurements go."""

RANGED = ("seconds", *MEASUREMENTS)
"""The columns that ranges can be given of."""


def _column(name: str) -> ColumnElement[Any]:
    return ItemRow.__table__.c[name]


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; None leaves a side open. What has no value lies in no range."""

    low: float | None = None
    high: float | None = None

    def condition(self, name: str) -> ColumnElement[bool]:
        """Return what holds of rows whose column `name` lies in the range."""
        column = _column(name)
        held: list[ColumnElement[bool]] = [] if name == "seconds" else [IS_SUCCEEDED]
        if self.low is not None:
            held.append(column >= self.low)
        if self.high is not None:
            held.append(column <= self.high)
        return and_(*held, column.is_not(None))


@dataclass(frozen=True)
class ItemFilter:
    """What items have to be like. Of several words for one thing any may hold; different things hold all together."""

    states: tuple[ItemStatus, ...] = ()
    codes: tuple[ItemErrorCode, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[NoteCode, ...] = ()
    reasons: tuple[Reason, ...] = ()
    text: str = ""  # that the path contains, in capitals or not
    numbers: tuple[int, ...] = ()  # single items, by their number in the job
    ranges: Mapping[str, Range] = field(default_factory=dict)  # by a name of RANGED

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != ItemFilter()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what holds of the rows, the text apart: each of these has an index."""
        held: list[ColumnElement[bool]] = []
        if self.numbers:
            held.append(ItemRow.number.in_(self.numbers))
        if self.states:
            held.append(ItemRow.state.in_(self.states))
        if self.codes:
            held += [HAS_FAILED, ItemRow.error_code.in_(self.codes)]
        if self.marks:
            held.append(or_(*(MARKED[mark] for mark in self.marks)))
        if self.notes:
            held += [HAS_NOTE, or_(*(_has_note(code) for code in self.notes))]
        if self.reasons:
            held += [IS_UNFAMILIAR, ItemRow.reason.in_(self.reasons)]
        return held + [within.condition(name) for name, within in self.ranges.items()]


def _has_note(code: NoteCode) -> ColumnElement[bool]:
    # Notes stand one after the other, see shared.images.notes.
    return or_(ItemRow.note.startswith(f"{code}: "), ItemRow.note.contains(f"; {code}: "))


@dataclass(frozen=True)
class Order:
    """How rows are ordered by a column.

    `present` holds of the rows that have a value: an index by value and number serves them. `absent` are conditions of
    which one holds of each other row: an index by number serves each.
    """

    value: ColumnElement[Any]
    present: tuple[ColumnElement[bool], ...] = ()
    absent: tuple[ColumnElement[bool], ...] = ()
    is_unique: bool = False  # within a job

    @property
    def keys(self) -> tuple[ColumnElement[Any], ...]:
        """The columns that the rows with a value are ordered by."""
        return (self.value,) if self.is_unique else (self.value, *self.number)

    @property
    def number(self) -> tuple[ColumnElement[Any], ...]:
        """The column that those without one are ordered by."""
        return (_column("number"),)


def _in_state(state: ItemStatus) -> ColumnElement[bool]:
    return ItemRow.state == literal_column(f"'{state}'")


def _measured(name: str) -> Order:
    value = _column(name)
    others = tuple(_in_state(state) for state in ItemStatus if state is not ItemStatus.SUCCEEDED)
    return Order(value, (IS_SUCCEEDED, value.is_not(None)), (and_(IS_SUCCEEDED, value.is_(None)), *others))


_ORDERS: Mapping[str, Order] = {
    "number": Order(_column("number"), is_unique=True),
    "path": Order(_column("path"), is_unique=True),
    "state": Order(_column("state")),
    "error_code": Order(
        _column("error_code"),
        (HAS_FAILED,),
        tuple(_in_state(state) for state in ItemStatus if state is not ItemStatus.FAILED),
    ),
    **{name: _measured(name) for name in MEASUREMENTS},
    "seconds": Order(_column("seconds"), (_column("seconds").is_not(None),), (_column("seconds").is_(None),)),
}

SORTABLE = tuple(_ORDERS)
"""The names of the columns that items can be sorted by."""


@dataclass(frozen=True)
class ItemSort:
    """An order of items: by a column, then by number. What has no value comes last, whichever way."""

    column: str = "number"  # one of SORTABLE
    descending: bool = False

    @classmethod
    def of_word(cls, word: str) -> Self:
        """Return the order that a word stands for: `dice`, or `-dice` for the highest first.

        Raises:
            UsageError: there is no such column.
        """
        name = word.removeprefix("-")
        if name not in _ORDERS:
            raise UsageError(f"sort by one of {', '.join(SORTABLE)}, with - before it for the highest first")
        return cls(name, word.startswith("-"))

    @property
    def word(self) -> str:
        """The word for it, as `of_word` takes it."""
        return f"-{self.column}" if self.descending else self.column

    @property
    def is_text(self) -> bool:
        """Whether the column's values are text."""
        return self.column in ("path", "state", "error_code")

    @property
    def order(self) -> Order:
        """How it is asked of the database."""
        return _ORDERS[self.column]
