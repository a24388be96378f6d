"""Two jobs over the same inputs: pairs of results by path, and how far their masks agree, those that differ most first.

What was found out of a pair is a row of its own and is never found out again. Whoever looks at a comparison has a slice
of it done each time that the page asks, so that nothing runs that nobody waits for, and an interruption loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow
from shared.db.tables.reviews import ComparisonRow
from shared.jobs.state import ItemStatus

NOT_COMPARABLE = -1.0
NEARLY_ALIKE = 0.9
"""Dice from which on two masks say nearly the same."""

_A, _B = (ItemRow.__table__.alias(name) for name in ("item_a", "item_b"))


@dataclass(frozen=True)
class Pair:
    """Two results of one image that nobody has compared yet."""

    item_a: str
    item_b: str
    number: int
    mask_a: str  # keys
    mask_b: str


@dataclass(frozen=True)
class Compared:
    """A pair whose masks were compared."""

    item_a: str
    item_b: str
    number: int
    agreement: float | None  # Dice of the two masks; None: they cannot be compared
    inside_a: int  # pixels
    inside_b: int
    path: str = ""
    trust_a: float | None = None
    trust_b: float | None = None


@dataclass(frozen=True)
class Changes:
    """What a comparison says of all pairs that were compared so far."""

    compared: int
    not_comparable: int
    mean: float | None  # of Dice
    differing: int  # under NEARLY_ALIKE
    identical: int
    appeared: int  # nothing in A, something in B
    vanished: int


class Comparison:
    """The comparison of two jobs of one database, each by its id."""

    def __init__(self, database: Database, job_a: str, job_b: str) -> None:
        self._database = database
        self.job_a = job_a
        self.job_b = job_b
        self._mine = (ComparisonRow.job_a == job_a) & (ComparisonRow.job_b == job_b)

    def waiting(self, limit: int) -> list[Pair]:
        """Return pairs that both jobs have results of, and that were not compared yet, by number."""
        done = select(func.max(ComparisonRow.number)).where(self._mine)
        known = select(ComparisonRow.item_a).where(ComparisonRow.item_a == _A.c.id, ComparisonRow.item_b == _B.c.id)
        query = self._pairs().order_by(_A.c.number).limit(limit)
        with self._database.read() as connection:
            last = connection.execute(done).scalar_one()
            rows = connection.execute(query.where(_A.c.number > (-1 if last is None else last))).all()
            if not rows and last is not None:  # what came about since, of numbers that were passed
                rows = connection.execute(query.where(_A.c.number <= last, ~known.exists())).all()
        return [Pair(*row) for row in rows]

    def keep(self, compared: Sequence[Compared]) -> None:
        """Write down what was found out; a pair that somebody else was faster with is left as it is."""
        rows = [
            {
                "item_a": each.item_a, "item_b": each.item_b, "job_a": self.job_a, "job_b": self.job_b,
                "number": each.number, "inside_a": each.inside_a, "inside_b": each.inside_b,
                "agreement": NOT_COMPARABLE if each.agreement is None else each.agreement,
            }
            for each in compared
        ]  # fmt: skip
        if rows:
            with self._database.write() as connection:
                own = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
                connection.execute(own(ComparisonRow).on_conflict_do_nothing(), rows)

    def page(self, limit: int, after: tuple[float, int] | None = None) -> list[Compared]:
        """Return compared pairs, those that agree least first, from the one after `after` (agreement, number)."""
        query = self._compared().order_by(ComparisonRow.agreement, ComparisonRow.number).limit(limit)
        if after is not None:
            query = query.where(_after(*after))
        with self._database.read() as connection:
            return [_compared(row) for row in connection.execute(query)]

    def pair(self, item_a: str, item_b: str) -> Compared | None:
        """Return one compared pair."""
        with self._database.read() as connection:
            wanted = (ComparisonRow.item_a == item_a) & (ComparisonRow.item_b == item_b)
            row = connection.execute(self._compared().where(wanted)).one_or_none()
        return None if row is None else _compared(row)

    def neighbours(self, pair: Compared) -> tuple[Compared | None, Compared | None]:
        """Return the pairs before and after one, in the order of `page`."""
        agreement = NOT_COMPARABLE if pair.agreement is None else pair.agreement
        before = self._compared().where(~_after(agreement, pair.number), ComparisonRow.number != pair.number)
        before = before.order_by(ComparisonRow.agreement.desc(), ComparisonRow.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(before).one_or_none()
        following = self.page(1, (agreement, pair.number))
        return None if row is None else _compared(row), following[0] if following else None

    def changes(self) -> Changes:
        """Count what differs."""
        comparable = ComparisonRow.agreement >= 0
        counted: list[ColumnElement[Any]] = [
            func.count(),
            _count(~comparable),
            func.avg(case((comparable, ComparisonRow.agreement))),
            _count(and_(comparable, ComparisonRow.agreement < NEARLY_ALIKE)),
            _count(ComparisonRow.agreement == 1.0),
            _count(and_(comparable, ComparisonRow.inside_a == 0, ComparisonRow.inside_b > 0)),
            _count(and_(comparable, ComparisonRow.inside_a > 0, ComparisonRow.inside_b == 0)),
        ]
        with self._database.read() as connection:
            row = connection.execute(select(*counted).where(self._mine)).one()
        return Changes(*(value if value is None or place == 2 else int(value) for place, value in enumerate(row)))

    def total(self) -> int:
        """Count the pairs that both jobs have results of."""
        with self._database.read() as connection:
            return int(connection.execute(self._pairs().with_only_columns(func.count())).scalar_one())

    def _pairs(self) -> Select[Any]:
        query = select(_A.c.id, _B.c.id, _A.c.number, _A.c.mask_key, _B.c.mask_key)
        both = (_A.c.state == ItemStatus.SUCCEEDED) & (_B.c.state == ItemStatus.SUCCEEDED)
        same = and_(_B.c.path == _A.c.path, _B.c.job_id == self.job_b)
        return query.select_from(_A.join(_B, same)).where(_A.c.job_id == self.job_a, both)

    def _compared(self) -> Select[Any]:
        columns = ComparisonRow.__table__.c
        return (
            select(*columns, _A.c.path, _A.c.trust.label("trust_a"), _B.c.trust.label("trust_b"))
            .select_from(ComparisonRow)
            .join(_A, _A.c.id == ComparisonRow.item_a)
            .join(_B, _B.c.id == ComparisonRow.item_b)
            .where(self._mine)
        )


def _after(agreement: float, number: int) -> ColumnElement[bool]:
    return or_(
        ComparisonRow.agreement > agreement,
        and_(ComparisonRow.agreement == agreement, ComparisonRow.number > number),
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _compared(row: Any) -> Compared:
    return Compared(
        item_a=row.item_a,
        item_b=row.item_b,
        number=row.number,
        agreement=None if row.agreement < 0 else row.agreement,
        inside_a=row.inside_a,
        inside_b=row.inside_b,
        path=row.path,
        trust_a=row.trust_a,
        trust_b=row.trust_b,
    )
