"""Jobs over the inputs of another: what they read stays where it is, in the folder of the job that it was given to.

`inputs_of` names that job, also in a clone of a clone. As long as a clone may read them, neither its sources nor its
folder go (`shared.upkeep.retention`).
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import aliased

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import STAYS, ItemRow, JobRow
from shared.errors import DelineateError, ItemErrorCode, UsageError
from shared.images.scale import checked_scale, scale_of
from shared.images.threshold import threshold_of
from shared.jobs.records import Job, NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind

_COPIED = ("path", "source_bytes", "source_modified", "synthesis", "described")
_PAGE = 500  # rows of a query
_REMOVED = "the job, or its inputs, were removed while it was cloned"
_GONE = (ItemErrorCode.SOURCE_MISSING, "the source is not there any more")
_AGAIN = ", again"
_MOST_NAME = 200  # characters
ACTIVE_WORD, OWN_WORD = "active", "own"  # for the model that is the active one, and the threshold that is the model's
MAX_IMAGES = 10_000
"""Of a job that is cloned: whoever asks waits until all rows of the clone are there."""


class CloneChanges(TypedDict, total=False):
    """What a clone has of its own; whatever is not there it has of the first job."""

    model: str | None  # a name, or digits of its SHA-256; None: the active one
    threshold: float | None  # None: the model's own
    scale: float


def changes_of_words(model: str, threshold: str, scale: str) -> CloneChanges:
    """Return what somebody wrote that clones have of their own; what is empty is as in the first job.

    Args:
        model: a name, digits of its SHA-256, or `active`.
        threshold: a probability, or `own` for the model's.
        scale: a number, or `auto`.

    Raises:
        UsageError: the threshold or the scale is out of range, or no number.
    """
    changes = CloneChanges()
    if model:
        changes["model"] = None if model == ACTIVE_WORD else model
    if threshold:
        changes["threshold"] = None if threshold == OWN_WORD else threshold_of(threshold)
    if scale:
        changes["scale"] = scale_of(scale)
    return changes


def cloned_name(job: Job) -> str:
    """Return what a clone of a job is called where nobody says."""
    return f"{(job.name or 'unnamed')[: _MOST_NAME - len(_AGAIN)]}{_AGAIN}"


def unsealed_clone(
    repository: Repository,
    job: Job,
    changes: CloneChanges,
    *,
    submitted_by: str,
    name: str = "",
    priority: int,
    bulk_id: str | None = None,
    after_shard: Callable[[], None] = lambda: None,
) -> str:
    """Make a job over the inputs of another, divided as those are, and return its id; sealing it is left to do.

    Args:
        repository: of both.
        job: whose inputs are read.
        changes: what is to be another.
        submitted_by: who asks.
        name: of the clone; without one it says of what it is.
        priority: of the clone.
        bulk_id: the bulk action that it is a part of.
        after_shard: called once the rows of a shard are there.

    Raises:
        UsageError: the job has no inputs, too many, or not all of them; a value is out of range; there is no such
            model. Nothing stays of the clone then, nor where anything else goes wrong.
    """
    scale = checked_scale(changes.get("scale", job.scale))
    if job.sealed_at is None:
        raise UsageError("the job still takes images: clone it once all of them are there")
    if job.sources_removed_at is not None and job.kind is JobKind.IMAGES:
        raise UsageError("the images of the job have been removed: submit them again")
    if not 1 <= job.counts.total <= MAX_IMAGES:
        raise UsageError(f"the job has {job.counts.total:,} images: a clone may have 1 to {MAX_IMAGES:,}; submit again")
    clone_id = repository.create_job(
        job.kind,
        name=name or cloned_name(job),
        submitted_by=submitted_by,
        priority=priority,
        scale=scale,
        unfamiliar=job.unfamiliar,
        channel=job.channel,
        pixel_size=job.pixel_size,
        postprocessing=job.postprocessing,
        model=changes.get("model", job.model),
        threshold=changes.get("threshold", job.threshold),
        bulk_id=bulk_id,
    )
    try:
        hold_inputs(repository.database, job.id, clone_id=clone_id)
        for _shard, items in groupby(inputs(repository.database, job.id, total=job.counts.total), itemgetter(0)):
            repository.add_shard(clone_id, [item for _, item in items])
            after_shard()
    except BaseException:
        # Also for Ctrl-C: nobody can go on with a part of it.
        give_up(repository, clone_id)
        raise
    return clone_id


def give_up(repository: Repository, clone_id: str) -> None:
    """Leave nothing of a clone that was begun, as far as the database is there."""
    with contextlib.suppress(DelineateError):
        repository.discard_empty(clone_id)
        repository.cancel(clone_id)


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


def inputs(database: Database, job_id: str, *, total: int) -> Iterator[tuple[str, NewItem]]:
    """Yield the inputs of a job as new items, in their order, `total` of them, each with the shard that it is of.

    What could not be used when it was submitted fails again; so does what is not there any more.

    Raises:
        UsageError: in the end, where there were fewer.
    """
    last, found = -1, 0
    columns = (*_COPIED, "number", "shard_id", "source_key", "truth_key", "error_code", "error")
    query = select(*(getattr(ItemRow, name) for name in columns)).where(ItemRow.job_id == job_id)
    while True:
        with database.read() as connection:
            rows = connection.execute(query.where(ItemRow.number > last).order_by(ItemRow.number).limit(_PAGE)).all()
        if not rows:
            break
        found += len(rows)
        for row in rows:
            yield row.shard_id, _input(dict(row._mapping))
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
