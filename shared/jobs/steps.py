"""The steps of items and jobs, each a conditional write: of an item in a shard that is locked.

Every write names the states that it leaves (`shared.jobs.state.ITEM_STEPS`, `JOB_STEPS`) and, for the holder of a
claim, its token: `move` and `move_job` make it from the table, and whoever changes a state goes through them.
Statements that every claim runs are built once: building one costs more than running it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Update, bindparam, case, or_, select, update

from shared.db.database import db_now
from shared.db.tables.jobs import ItemRow, JobRow
from shared.jobs.records import Failure, Outcome, Success
from shared.jobs.state import ITEM_STEPS, JOB_STEPS, ItemEvent, ItemStatus, JobEvent

MAYBE_SUBMITTED = ("source_key", "truth_key")
"""What an item has before any result, unless the worker makes it."""

NO_CLAIM: dict[str, Any] = {"token": None, "lease_until": None}


def move(event: ItemEvent, where: Any, **values: Any) -> Update:
    """Return the compare-and-set of one step of the items' transition table."""
    step = ITEM_STEPS[event]
    # Not IN, whose list is expanded for each execution, which the many rows of `end_held` cannot have.
    may_leave = or_(*(ItemRow.state == source for source in step.sources))
    return update(ItemRow).where(may_leave, where).values(state=step.target, **values)


def move_job(event: JobEvent, where: Any, **values: Any) -> Update:
    """Return the compare-and-set of one step of the jobs' transition table."""
    step = JOB_STEPS[event]
    return update(JobRow).where(JobRow.state.in_(step.sources), where).values(state=step.target, **values)


# The job's request to cancel, for a statement of its own or a part of one; null without one.
_CANCEL_REQUESTED = select(JobRow.cancel_requested_at).where(JobRow.id == bindparam("job"))
NOT_CANCELLED = _CANCEL_REQUESTED.scalar_subquery().is_(None)
_HELD = select(ItemRow.id, NOT_CANCELLED.label("wanted")).where(
    ItemRow.token == bindparam("holder"), ItemRow.state == ItemStatus.RUNNING
)
_OWNED = (ItemRow.id == bindparam("item")) & (ItemRow.token == bindparam("holder"))
# One statement for all rows: what is not named here comes from each row's keys.
_END = {event: move(event, _OWNED, **NO_CLAIM, finished_at=db_now()) for event in (ItemEvent.COMPLETE, ItemEvent.FAIL)}


def cancel_requested(connection: Connection, job_id: str) -> bool:
    """Whether somebody asked to cancel the job."""
    return connection.execute(_CANCEL_REQUESTED, {"job": job_id}).scalar_one_or_none() is not None


def start_job(connection: Connection, job_id: str) -> None:
    """Take a queued job to running."""
    first_start = case((JobRow.started_at.is_(None), db_now()), else_=JobRow.started_at)
    connection.execute(move_job(JobEvent.START, JobRow.id == job_id, started_at=first_start))


def cancel_pending(connection: Connection, shard_id: str) -> None:
    """End what nobody has begun."""
    pending = (ItemRow.shard_id == shard_id) & (ItemRow.state == ItemStatus.PENDING)
    connection.execute(move(ItemEvent.CANCEL, pending, finished_at=db_now()))


def cancel_held(connection: Connection, token: str) -> dict[str, ItemStatus]:
    """End all that a claim holds, without results; return it."""
    cancel = move(ItemEvent.CANCEL, ItemRow.token == token, **NO_CLAIM, finished_at=db_now())
    return dict.fromkeys(connection.execute(cancel.returning(ItemRow.id)).scalars(), ItemStatus.CANCELLED)


def end_held(connection: Connection, token: str, job_id: str, outcomes: Sequence[Outcome]) -> dict[str, ItemStatus]:
    """Write the outcomes of what a claim holds; return the states of what ended: cancelled, if the job is."""
    # The shard is locked, so what is held now is held until the commit.
    rows = connection.execute(_HELD, {"holder": token, "job": job_id}).all()
    if any(not row.wanted for row in rows):
        return cancel_held(connection, token)
    held = {row.id for row in rows}
    successes = [_success_values(outcome) for outcome in outcomes if isinstance(outcome, Success)]
    failures = [_failure_values(outcome) for outcome in outcomes if isinstance(outcome, Failure)]
    ended: dict[str, ItemStatus] = {}
    for event, values in ((ItemEvent.COMPLETE, successes), (ItemEvent.FAIL, failures)):
        mine = [row | {"holder": token} for row in values if row["item"] in held]
        if mine:
            connection.execute(_END[event], mine)
            ended |= dict.fromkeys((row["item"] for row in mine), ITEM_STEPS[event].target)
    return ended


def _success_values(outcome: Success) -> dict[str, Any]:
    # A retried item loses the reason of its earlier failure.
    values = vars(outcome) | {"item": outcome.item_id, "error_code": None, "error": None}
    del values["item_id"]
    for name in MAYBE_SUBMITTED:
        if values[name] is None:
            del values[name]  # the submitter's key stays
    return values


def _failure_values(outcome: Failure) -> dict[str, Any]:
    return {
        "item": outcome.item_id,
        "error_code": outcome.code,
        "error": outcome.reason,
        "seconds": outcome.seconds,
    }
