"""Jobs over the inputs of another: what they read stays where it is, in the folder of the job that it was given to.

`inputs_of` names that job, also in a clone of a clone. As long as a clone may read them, neither its sources nor its
folder go (`shared.upkeep.retention`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import aliased

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import STAYS, ItemRow, JobRow
from shared.errors import ItemErrorCode, UsageError
from shared.jobs.records import NewItem
from shared.jobs.state import JobKind

_COPIED = ("path", "source_bytes", "source_modified", "synthesis", "described")
_PAGE = 500  # rows of a query
_REMOVED = "the job, or its inputs, were removed while it was cloned"
_GONE = (ItemErrorCode.SOURCE_MISSING, "the source is not there any more")


def hold_inputs(database: Database, job_id: str, *, clone_id: str) -> None:
    """Note that a new job reads the inputs of another, which stay from now on until it has ended and lost them.

    Raises:
        UsageError: they are being removed.
    """
    there = or_(JobRow.sources_removed_at.is_(None), JobRow.kind == JobKind.SYNTHETIC)
    with database.write() as connection:
        query = select(JobRow.id, JobRow.inputs_of).where(JobRow.id == job_id, STAYS, there).with_for_update()
        job = connection.execute(query).one_or_none()
        if job is None:
            raise UsageError(_REMOVED)
        holder = job.inputs_of or job.id
        connection.execute(select(JobRow.id).where(JobRow.id == holder).with_for_update())
        connection.execute(update(JobRow).where(JobRow.id == clone_id).values(inputs_of=holder))


def is_read() -> ColumnElement[bool]:
    """Return the condition of jobs whose inputs a clone may still read; synthetic ones are made anew."""
    clone = aliased(JobRow)
    reads = or_(clone.sources_removed_at.is_(None), clone.tidied_at.is_(None))
    return select(clone.id).where(clone.inputs_of == JobRow.id, clone.kind == JobKind.IMAGES, reads).exists()


def inputs(database: Database, job_id: str, *, total: int) -> Iterator[NewItem]:
    """Yield the inputs of a job as new items, in their order, `total` of them.

    What could not be used when it was submitted fails again; so does what is not there any more.

    Raises:
        UsageError: in the end, where there were fewer.
    """
    last, found = -1, 0
    columns = (*_COPIED, "number", "source_key", "truth_key", "error_code", "error")
    query = select(*(getattr(ItemRow, name) for name in columns)).where(ItemRow.job_id == job_id)
    while True:
        with database.read() as connection:
            rows = connection.execute(query.where(ItemRow.number > last).order_by(ItemRow.number).limit(_PAGE)).all()
        if not rows:
            break
        found += len(rows)
        for row in rows:
            yield _input(dict(row._mapping))
        last = rows[-1].number
    if found < total:
        raise UsageError(_REMOVED)


def _input(row: Mapping[str, Any]) -> NewItem:
    item = NewItem(id=new_id(), **{name: row[name] for name in _COPIED})
    if item.synthesis is not None:
        return item  # the worker makes it anew
    if row["source_key"] is not None:
        return replace(item, source_key=row["source_key"], truth_key=row["truth_key"])
    code, error = (ItemErrorCode(row["error_code"]), row["error"]) if row["error_code"] else _GONE
    return replace(item, error_code=code, error=error)
