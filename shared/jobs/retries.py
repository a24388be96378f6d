"""Trying again what did not succeed in a job: all of it, or what failed with some codes. The job may still be open.

Of a large job some shards are put back at once and the rest in the reconciler's rounds, so that neither who asked for
it nor any other writer waits. Until then the job's row says from which shard on it goes on, and the job does not end.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from shared.db.database import Database
from shared.db.events import Actor, EventKind, record
from shared.db.tables.actions import BulkActionRow
from shared.db.tables.jobs import HAS_FAILED, IS_BEING_RETRIED, ItemRow, JobRow, ShardRow
from shared.errors import IllegalTransition, UsageError
from shared.jobs import shards
from shared.jobs.state import ITEM_STEPS, ItemEvent, JobEvent, JobStatus, after_job_event
from shared.jobs.steps import move, move_job

_SHARDS_AT_ONCE = 50
GO_ON_SECONDS = 2.0
"""How long one call goes on with a large job."""

# What a retry wipes: the claim, the failure and the clock of the first try.
_FRESH = {
    "attempts": 0, "quarantined": False, "worker": None, "error_code": None, "error": None, "finished_at": None,
    "seconds": None,
}  # fmt: skip
_BEGUN = dict.fromkeys(("started_at", "finished_at", "cancel_requested_at", "tidied_at", "sources_removed_at"))
NOT_RETRIED: dict[str, Any] = {"retry_from": None, "retry_codes": None, "retry_bulk": None}
"""Of a job that is not being retried."""

Within = Callable[[Connection], None]
"""Does something more in the transaction that begins a step."""


def begin(
    connection: Connection,
    job_id: str,
    state: JobStatus,
    *,
    codes: Sequence[str],
    by: Actor,
    bulk_id: str | None = None,
) -> None:
    """Put back a job whose row and first shards are locked, and as many of its items as are put back at once.

    A job that has ended begins anew; one that is open, as `state` says, just has more to do.

    Raises:
        IllegalTransition: all of it succeeded; or it is open and being cancelled, put back, or without a failure.
        UsageError: nothing in it can be tried again.
    """
    if not state.is_final:
        _refuse_open(connection, job_id, state)
    else:
        after_job_event(state, JobEvent.RETRY)
    again = _can_be_retried(job_id, codes)
    if connection.execute(select(ItemRow.id).where(again).limit(1)).first() is None:
        of_codes = f" of what failed with {', '.join(codes)}" if codes else ""
        raise UsageError(
            f"nothing{of_codes} in job {job_id} can be tried again: its failed files were never uploaded, or are gone"
        )
    going_on = {"retry_from": 0, "retry_codes": list(codes) or None, "retry_bulk": bulk_id}
    if state.is_final:
        connection.execute(move_job(JobEvent.RETRY, JobRow.id == job_id, **_BEGUN, **going_on))
    else:
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(**going_on))
    detail = f"failed with {', '.join(codes)}" if codes else None
    record(connection, EventKind.RETRIED, by, job_ids=[job_id], bulk_id=bulk_id, detail=detail)
    _put_back(connection, job_id)


def _refuse_open(connection: Connection, job_id: str, state: JobStatus) -> None:
    columns = (JobRow.cancel_requested_at.is_not(None), IS_BEING_RETRIED)
    is_cancelled, is_retried = connection.execute(select(*columns).where(JobRow.id == job_id)).one()
    failed = select(ItemRow.id).where(ItemRow.job_id == job_id, HAS_FAILED).limit(1)
    if is_cancelled:
        why = "it is being cancelled"
    elif is_retried:
        why = "what failed in it is being put back already"
    elif connection.execute(failed).first() is None:
        why = "nothing in it has failed so far"
    else:
        return
    raise IllegalTransition(f"cannot retry a {state} job: {why}")


def lock_first(connection: Connection, job_id: str) -> None:
    """Lock the shards that `begin` puts back; before the job's row, as all writers do."""
    _lock(connection, job_id, 0)


def go_on(database: Database, job_id: str, *, until: float) -> None:
    """Put back more of a job that is being retried, until the monotonic clock says so."""
    goes_on = True
    while goes_on and time.monotonic() < until:
        with database.write() as connection:
            start = select(JobRow.retry_from).where(JobRow.id == job_id, IS_BEING_RETRIED)
            number = connection.execute(start).scalar_one_or_none()
            if number is None:
                return
            _lock(connection, job_id, number)
            # Asked under the lock: somebody may have cancelled the job, or gone on with it.
            if connection.execute(start.with_for_update()).scalar_one_or_none() != number:
                continue
            goes_on = _put_back(connection, job_id)


def go_on_with_all(database: Database) -> None:
    """Go on with every job that is being retried, for a while."""
    with database.read() as connection:
        jobs = connection.execute(select(JobRow.id).where(IS_BEING_RETRIED).order_by(JobRow.id)).scalars().all()
    until = time.monotonic() + GO_ON_SECONDS
    for job_id in jobs:
        go_on(database, job_id, until=until)


def _put_back(connection: Connection, job_id: str) -> bool:
    """Put back the items of the next shards, which are locked; return whether there may be more."""
    columns = (JobRow.retry_from, JobRow.retry_codes, JobRow.retry_bulk)
    start, codes, bulk_id = connection.execute(select(*columns).where(JobRow.id == job_id)).one()
    locked = _lock(connection, job_id, start or 0)
    ids = [shard for shard, _ in locked]
    if ids:
        of_these = ItemRow.shard_id.in_(ids) & _can_be_retried(job_id, codes or ())
        # In an open job the others may rest, or wait with a hint that is on its way.
        touched = connection.execute(select(ItemRow.shard_id).where(of_these).distinct()).scalars().all()
        moved = connection.execute(move(ItemEvent.RETRY, of_these, **_FRESH)).rowcount
        fresh = {"not_before": 0.0, "releases": 0, "published_at": None}
        connection.execute(update(ShardRow).where(ShardRow.id.in_(touched)).values(**fresh))
        shards.recount_some(connection, touched)
        if bulk_id is not None:
            counted = update(BulkActionRow).where(BulkActionRow.id == bulk_id)
            connection.execute(counted.values(items_done=BulkActionRow.items_done + moved))
    more = len(ids) == _SHARDS_AT_ONCE
    values = {"retry_from": locked[-1][1] + 1} if more else NOT_RETRIED
    connection.execute(update(JobRow).where(JobRow.id == job_id).values(**values))
    return more


def _lock(connection: Connection, job_id: str, start: int) -> Sequence[tuple[str, int]]:
    some = select(ShardRow.id, ShardRow.number).where(ShardRow.job_id == job_id, ShardRow.number >= start)
    rows = connection.execute(some.order_by(ShardRow.number).limit(_SHARDS_AT_ONCE).with_for_update())
    return [(row.id, row.number) for row in rows]


def _can_be_retried(job_id: str, codes: Sequence[str]) -> ColumnElement[bool]:
    has_source = or_(ItemRow.source_key.is_not(None), ItemRow.synthesis.is_not(None))
    found = (ItemRow.job_id == job_id) & ItemRow.state.in_(ITEM_STEPS[ItemEvent.RETRY].sources) & has_source
    return found & ItemRow.error_code.in_(codes) if codes else found
