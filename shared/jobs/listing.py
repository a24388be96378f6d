"""Pages of jobs in any order and of any filter, cut by key: page 1,000 costs as much as page 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, or_, select

from shared.db.database import Database
from shared.db.tables.jobs import HAS_ENDED, JobRow
from shared.jobs.filters import JobFilter, JobSort

MAX_COUNTED = 1_000
"""Jobs of a filter that are counted one by one."""


@dataclass(frozen=True)
class IdsPage:
    """Ids of jobs in their order. `older` and `newer` are cursors; `newer` is "" for the first page, None on it."""

    ids: list[str]
    older: str | None
    newer: str | None


@dataclass(frozen=True)
class _Order:
    """The columns of an order, the id last, and whether the largest come first."""

    columns: Sequence[SQLColumnExpression[Any]]
    descending: bool
    only: ColumnElement[bool] | None = None


_ORDERS = {
    JobSort.NEWEST: _Order([JobRow.id], descending=True),
    JobSort.OLDEST: _Order([JobRow.id], descending=False),
    JobSort.ENDED: _Order([JobRow.finished_at, JobRow.id], descending=True, only=HAS_ENDED),
    JobSort.NAME: _Order([func.lower(JobRow.name), JobRow.id], descending=False),
    JobSort.PRIORITY: _Order([JobRow.priority, JobRow.id], descending=True),
}


def ids_page(
    database: Database, wanted: JobFilter, *, sort: JobSort = JobSort.NEWEST, before: str | None = None, limit: int
) -> IdsPage:
    """Return a page of the jobs that fulfil a filter.

    Args:
        database: where they are.
        wanted: the filter.
        sort: their order.
        before: the id of the last job of the page before; None: the first page. One that is not there any more, in
            an order that asks for more than its id, gives an empty page.
        limit: the most jobs on it.
    """
    order = _ORDERS[sort]
    forth = _query(wanted, order, order.descending).limit(limit + 1)
    back = None
    if before is not None:
        place = _place(order, before)
        forth = forth.where(_beyond(order.columns, place, below=order.descending))
        # The page before this one follows the job that is one page and one job further up.
        up = _query(wanted, order, not order.descending)
        reached = or_(_beyond(order.columns, place, below=not order.descending), JobRow.id == before)
        back = up.where(reached).offset(limit).limit(1)
    with database.read() as connection:
        found = list(connection.execute(forth).scalars())
        newer = None if back is None else connection.execute(back).scalar_one_or_none() or ""
    return IdsPage(found[:limit], older=found[limit - 1] if len(found) > limit else None, newer=newer)


def count_jobs(database: Database, wanted: JobFilter) -> tuple[int, bool]:
    """Count the jobs that fulfil a filter, up to MAX_COUNTED; return also whether there are more."""
    some = select(JobRow.id).where(*wanted.conditions()).limit(MAX_COUNTED + 1).subquery()
    with database.read() as connection:
        count = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    return min(count, MAX_COUNTED), count > MAX_COUNTED


def _query(wanted: JobFilter, order: _Order, descending: bool) -> Select[str]:
    query = select(JobRow.id).where(*wanted.conditions())
    if order.only is not None:
        query = query.where(order.only)
    return query.order_by(*(column.desc() if descending else column.asc() for column in order.columns))


def _place(order: _Order, job_id: str) -> list[Any]:
    values = [select(column).where(JobRow.id == job_id).correlate(None).scalar_subquery() for column in order.columns]
    return [*values[:-1], job_id]


def _beyond(columns: Sequence[SQLColumnExpression[Any]], place: Sequence[Any], *, below: bool) -> ColumnElement[bool]:
    """Return the condition of rows after a place, column by column; a comparison of rows is not for every database."""
    steps = []
    for number, (column, value) in enumerate(zip(columns, place, strict=True)):
        same = [earlier == known for earlier, known in zip(columns[:number], place[:number], strict=True)]
        steps.append(and_(*same, column < value if below else column > value))
    return or_(*steps)
