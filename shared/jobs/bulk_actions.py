"""Actions on many jobs: a row for each, with a frozen filter or a selection, done in the background.

Whoever asks for one gets its row at once. `shared.upkeep.bulk` does it in slices and counts in it what was done, so
that it can be followed and aborted, and goes on after an interruption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from shared.db.database import Database, db_now
from shared.db.events import Actor, EventKind, EventSource, record
from shared.db.tables.actions import BulkActionRow
from shared.db.tables.base import new_id
from shared.db.tables.jobs import JobRow
from shared.errors import UsageError
from shared.images.scale import checked_scale
from shared.images.threshold import checked_threshold
from shared.jobs.clones import CloneChanges
from shared.jobs.filters import ALL_JOBS, JobFilter
from shared.jobs.listing import count_jobs

MAX_SELECTED = 1_000
"""Jobs that can be named one by one; a filter has no such limit."""


class BulkKind(StrEnum):
    """What is done with each job."""

    RETRY = "retry"  # what did not succeed, or what failed with some codes
    CANCEL = "cancel"  # of those that are open
    DELETE = "delete"  # those that have ended, with their images and results
    PRIORITY = "priority"  # of those that are open
    CLONE = "clone"  # of those whose images are all there


class BulkState(StrEnum):
    """How far an action is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"


@dataclass(frozen=True)
class BulkOrder:
    """What somebody asks for: jobs by name, or all that fulfil a filter now."""

    kind: BulkKind
    jobs: Sequence[str] | None = None
    filter: JobFilter | None = None
    codes: Sequence[str] = ()  # of a retry: what failed with these alone
    priority: int | None = None
    changes: CloneChanges | None = None  # of clones

    def __post_init__(self) -> None:
        """Check that it is one.

        Raises:
            UsageError: a value is missing, or one too many.
        """
        if (self.jobs is None) == (self.filter is None):
            raise UsageError("give either the ids of jobs or a filter")
        if self.jobs is not None and not 1 <= len(self.jobs) <= MAX_SELECTED:
            raise UsageError(f"choose 1 to {MAX_SELECTED:,} jobs; a filter has no such limit")
        if (self.priority is None) == (self.kind is BulkKind.PRIORITY):
            raise UsageError("give a priority with the action priority, and with no other")
        if self.codes and self.kind is not BulkKind.RETRY:
            raise UsageError("codes of failures are for the action retry alone")
        if self.changes is not None:
            if self.kind is not BulkKind.CLONE:
                raise UsageError("changes are for the action clone alone")
            checked_threshold(self.changes.get("threshold"))
            checked_scale(self.changes.get("scale", 1.0))


@dataclass(frozen=True)
class BulkAction:
    """An action as it stands. Times are Unix seconds; `matched` was counted at its beginning, up to a limit."""

    id: str
    kind: BulkKind
    selection: dict[str, Any]
    codes: list[str] | None
    priority: int | None
    changes: CloneChanges | None
    made_at: float
    made_by: str
    source: str
    matched: int
    matched_more: bool
    jobs_done: int
    jobs_skipped: int
    items_done: int
    begun_at: float | None
    abort_requested_at: float | None
    finished_at: float | None
    after_job: str | None = field(repr=False)

    @property
    def state(self) -> BulkState:
        """How far it is."""
        if self.finished_at is None:
            return BulkState.WAITING if self.begun_at is None else BulkState.RUNNING
        return BulkState.DONE if self.abort_requested_at is None else BulkState.ABORTED

    @property
    def by(self) -> Actor:
        """Who asked for it."""
        return Actor(self.made_by, EventSource(self.source))

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what jobs have to fulfil that are still to be done: those that were there when it was asked for."""
        if "jobs" in self.selection:
            found = [JobRow.id.in_(self.selection["jobs"]), *ALL_JOBS.conditions()]
        else:
            found = [*JobFilter.of_json(self.selection["filter"]).conditions(), JobRow.created_at <= self.made_at]
        return found if self.after_job is None else [*found, JobRow.id > self.after_job]


_COLUMNS = [getattr(BulkActionRow, each.name) for each in fields(BulkAction)]


def ask(database: Database, order: BulkOrder, *, by: Actor) -> BulkAction:
    """Write down an action; the reconciler does it."""
    bulk_id = new_id()
    if order.filter is not None:
        selection: dict[str, Any] = {"filter": order.filter.as_json()}
        matched, more = count_jobs(database, order.filter)
    else:
        ids = sorted(set(order.jobs or ()))
        selection, matched, more = {"jobs": ids}, len(ids), False
    values = {
        "id": bulk_id, "kind": order.kind, "selection": selection, "codes": list(order.codes) or None,
        "priority": order.priority, "changes": order.changes,
        "made_at": db_now(), "made_by": by.name, "source": by.source,
        "matched": matched, "matched_more": more, "jobs_done": 0, "jobs_skipped": 0, "items_done": 0,
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(insert(BulkActionRow).values(**values))
        record(connection, EventKind.BULK_BEGUN, by, bulk_id=bulk_id, detail=order.kind)
    return bulk_action(database, bulk_id)


def abort(database: Database, bulk_id: str, *, by: Actor) -> BulkAction:
    """Ask an action to stop; what it has done stays done.

    Raises:
        UsageError: there is none, or it has ended.
    """
    with database.write() as connection:
        still = (BulkActionRow.id == bulk_id, BulkActionRow.finished_at.is_(None))
        asked = update(BulkActionRow).where(*still, BulkActionRow.abort_requested_at.is_(None))
        if connection.execute(asked.values(abort_requested_at=db_now())).rowcount:
            record(connection, EventKind.BULK_ABORTED, by, bulk_id=bulk_id)
    found = bulk_action(database, bulk_id)
    if found.state is BulkState.DONE:
        raise UsageError("this bulk action has ended already")
    return found


def bulk_action(database: Database, bulk_id: str) -> BulkAction:
    """Return an action.

    Raises:
        UsageError: there is none of this id.
    """
    with database.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(BulkActionRow.id == bulk_id)).one_or_none()
    if row is None:
        raise UsageError(f"there is no bulk action {bulk_id}")
    return _action(row)


def bulk_actions(database: Database, *, limit: int, before: str | None = None) -> list[BulkAction]:
    """Return actions, the newest first; `before` is the last id of the page before."""
    query = select(*_COLUMNS).order_by(BulkActionRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(BulkActionRow.id < before)
    with database.read() as connection:
        return [_action(row) for row in connection.execute(query)]


def open_actions(database: Database, *, limit: int, leaving_out: Sequence[str] = ()) -> list[str]:
    """Return the ids of actions that have not ended, the oldest first."""
    still = BulkActionRow.finished_at.is_(None) & BulkActionRow.id.not_in(leaving_out)
    with database.read() as connection:
        query = select(BulkActionRow.id).where(still).order_by(BulkActionRow.id).limit(limit)
        return list(connection.execute(query).scalars())


def _action(row: Any) -> BulkAction:
    return BulkAction(**dict(row._mapping) | {"kind": BulkKind(row.kind)})
