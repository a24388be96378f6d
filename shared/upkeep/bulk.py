"""Doing what bulk actions ask for, in slices: each step is counted in its own transaction, and so once.

Several that work side by side do no harm: who comes second finds the action past the job, and leaves it.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from shared.db.database import Database, db_now
from shared.db.events import EventKind, record
from shared.db.tables.actions import BulkActionRow
from shared.db.tables.jobs import IS_BEING_RETRIED, JobRow
from shared.errors import IllegalTransition, JobNotFound, Outrun, Retryable, UsageError
from shared.jobs import clones, retries
from shared.jobs.bulk_actions import BulkAction, BulkKind, bulk_action, open_actions
from shared.jobs.records import Job
from shared.jobs.repository import Repository
from shared.jobs.retries import Within

log = logging.getLogger(__name__)

_JOBS_AT_ONCE = 200
_SECONDS_A_ROUND = 2.0
_REST_SECONDS = 300.0  # after a failure
_AT_ONCE = 10  # actions that are looked at in a round, the oldest first


class BulkRunner:
    """Does the bulk actions of one database."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._database: Database = repository.database
        self._rest_until: dict[str, float] = {}  # of actions that failed

    def round(self) -> None:
        """Go on with what was asked for, for a while."""
        until = time.monotonic() + _SECONDS_A_ROUND
        resting = [bulk_id for bulk_id, end in self._rest_until.items() if end > time.monotonic()]
        for bulk_id in open_actions(self._database, limit=_AT_ONCE, leaving_out=resting):
            try:
                while time.monotonic() < until and self._slice(bulk_id, until):
                    pass
            except Retryable:
                raise
            except Exception:  # one that this version cannot read, say: it holds up nothing else
                log.exception("a defect in bulk action %s", bulk_id, extra={"action": "bulk_fails"})
                self._rest_until[bulk_id] = time.monotonic() + _REST_SECONDS

    def _slice(self, bulk_id: str, until: float) -> bool:
        """Do some jobs of an action; return whether there may be more to do now."""
        action = bulk_action(self._database, bulk_id)
        if action.abort_requested_at is not None:
            return self._finish(action)
        some = select(JobRow.id).where(*action.conditions()).order_by(JobRow.id).limit(_JOBS_AT_ONCE)
        with self._database.read() as connection:
            jobs = connection.execute(some).scalars().all()
        if not jobs:
            return self._finish(action)
        try:
            if action.kind in (BulkKind.DELETE, BulkKind.PRIORITY):
                self._do_all(action, jobs)
            else:
                for job_id in jobs:
                    self._do(action, job_id)
                    if time.monotonic() > until:
                        return False
        except Outrun:
            return False  # another reconciler is at it
        return True

    def _do(self, action: BulkAction, job_id: str) -> None:
        def count(connection: Connection) -> None:
            self._count(connection, action, job_id, done=1)

        try:
            if action.kind is BulkKind.RETRY:
                self._repository.retry(job_id, codes=action.codes or (), by=action.by, bulk_id=action.id, within=count)
            elif action.kind is BulkKind.CLONE:
                self._clone(action, self._repository.job(job_id), count)
            else:
                self._repository.cancel(job_id, by=action.by, bulk_id=action.id, within=count)
        except Outrun:
            raise
        except (IllegalTransition, UsageError, JobNotFound):
            with self._database.write() as connection:
                self._count(connection, action, job_id, skipped=1)

    def _clone(self, action: BulkAction, job: Job, count: Within) -> None:
        """Clone a job; its clone is complete in the moment in which it is counted, and not without."""
        clone_id = clones.unsealed_clone(
            self._repository,
            job,
            action.changes or {},
            submitted_by=action.by.text,
            priority=job.priority,
            bulk_id=action.id,
        )
        try:
            self._repository.seal(clone_id, within=count)
        except Outrun:
            clones.give_up(self._repository, clone_id)
            raise

    def _do_all(self, action: BulkAction, jobs: Sequence[str]) -> None:
        with self._database.write() as connection:
            if action.kind is BulkKind.DELETE:
                done, kind, detail = self._repository.mark_removed(connection, jobs), EventKind.DELETED, None
            else:
                priority = action.priority or 0
                done = self._repository.set_priority(connection, jobs, priority)
                kind, detail = EventKind.PRIORITY_CHANGED, f"to {priority}"
            record(connection, kind, action.by, job_ids=done, bulk_id=action.id, detail=detail)
            self._count(connection, action, jobs[-1], done=len(done), skipped=len(jobs) - len(done))

    def _count(
        self, connection: Connection, action: BulkAction, job_id: str, *, done: int = 0, skipped: int = 0
    ) -> None:
        """Note that an action has come past a job.

        Raises:
            Outrun: it had already.
        """
        before = func.coalesce(BulkActionRow.after_job, "") < job_id
        begun = func.coalesce(BulkActionRow.begun_at, db_now())
        counts: dict[str, Any] = {
            "jobs_done": BulkActionRow.jobs_done + done, "jobs_skipped": BulkActionRow.jobs_skipped + skipped,
        }  # fmt: skip
        passed = update(BulkActionRow).where(BulkActionRow.id == action.id, before, BulkActionRow.finished_at.is_(None))
        if not connection.execute(passed.values(after_job=job_id, begun_at=begun, **counts)).rowcount:
            raise Outrun("another reconciler has done this job of the bulk action")

    def _finish(self, action: BulkAction) -> bool:
        """End an action of which nothing is left, once the jobs that it retries are put back as a whole."""
        of_it = (JobRow.retry_bulk == action.id, IS_BEING_RETRIED)
        with self._database.read() as connection:
            goes_on = connection.execute(select(JobRow.id).where(*of_it).limit(1)).scalar_one_or_none()
        if goes_on is not None:
            retries.go_on(self._database, goes_on, until=time.monotonic() + retries.GO_ON_SECONDS)
            return True
        with self._database.write() as connection:
            still = (BulkActionRow.id == action.id, BulkActionRow.finished_at.is_(None))
            connection.execute(update(BulkActionRow).where(*still).values(finished_at=db_now()))
        log.info("bulk action ended: %s", action.kind, extra={"action": "bulk_ended"})
        return False
