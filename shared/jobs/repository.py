"""Jobs: creating, filling, sealing, cancelling, retrying and closing them.

The writers of job, shard and item rows are named in `shared.db.tables.jobs`, and a test holds them to it.
"""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from shared.db.database import db_now
from shared.db.events import SYSTEM, Actor, EventKind, record
from shared.db.tables.jobs import HAS_PENDING, IS_BEING_RETRIED, IS_OPEN, STAYS, ItemRow, JobRow, ShardRow
from shared.errors import JobNotFound
from shared.jobs import retries, shards
from shared.jobs.item_filter import ItemFilter
from shared.jobs.item_search import ItemSearch, Place
from shared.jobs.pace import worked_seconds
from shared.jobs.reading import counts_of, quiet_for
from shared.jobs.records import Item, Job
from shared.jobs.retries import Within
from shared.jobs.state import (
    JOB_STEPS,
    ItemEvent,
    ItemStatus,
    JobEvent,
    JobStatus,
    after_job_event,
    closing_event,
)
from shared.jobs.steps import move, move_job
from shared.jobs.submissions import OPEN_STATES, Submissions, ends_submission, is_unsealed
from shared.jobs.webhooks import announce_end

# Shards of a job that is cancelled in one transaction, and how long one call goes on with it: a large job must not
# keep all other writers waiting, nor who asked for it, nor the reconciler, which goes on with the rest.
_CANCELLED_AT_ONCE = 50
_CANCEL_SECONDS = 2.0


class Repository(Submissions):
    """The jobs of one database; what it reads of them is `JobReader`'s."""

    def seal(self, job_id: str, *, within: Within = lambda connection: None) -> None:
        """Say that the submission is complete: the job can end once its items have.

        `within` does something more in the transaction of it, once however often a job is sealed.
        """
        with self.database.write() as connection:
            sealed = update(JobRow).where(JobRow.id == job_id, JobRow.sealed_at.is_(None)).values(sealed_at=db_now())
            if connection.execute(sealed).rowcount:
                within(connection)
        self.close_if_finished(job_id)

    def found(self, job_id: str, wanted: ItemFilter, *, limit: int, after: int = -1) -> tuple[list[Item], int | None]:
        """Return items of a job that a filter lets through by number, from the one after number `after`.

        Returns:
            The items, which may be fewer than `limit` or none, and after which number to go on; None: these are all.
        """
        place = None if after < 0 else Place(after, after)
        page = ItemSearch(self.database, job_id, wanted).page(limit=limit, after=place)
        return page.items, None if page.next is None else page.next.number

    # -- steering --------------------------------------------------------------------------------------------

    def cancel(
        self,
        job_id: str,
        *,
        by: Actor = SYSTEM,
        bulk_id: str | None = None,
        within: Within = lambda connection: None,
    ) -> Job:
        """Cancel a job: what is pending ends at once, what is running ends without a result.

        Of a very large job some of it ends at once, and the rest in the reconciler's rounds.
        The request is committed first. From then on nothing is added, and no claim, result or release leaves anything
        open; so if this call is interrupted, the reconciler goes on with it (`close_finished`).

        Raises:
            JobNotFound: no such job.
            IllegalTransition: the job has ended.
        """
        with self.database.write() as connection:
            after_job_event(_locked_state(connection, job_id), JobEvent.CANCEL)
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(ends_submission()))
            record(connection, EventKind.CANCELLED, by, job_ids=[job_id], bulk_id=bulk_id)
            within(connection)
        self._cancel_pending(job_id, until=time.monotonic() + _CANCEL_SECONDS)
        self.close_if_finished(job_id)
        return self.job(job_id)

    def end_abandoned(self, *, after: float) -> int:
        """Cancel the jobs whose submission nobody goes on with, and discard those without an image.

        Args:
            after: seconds since somebody was last seen submitting.

        Returns:
            How many ended.
        """
        ended = 0
        for job_id in self.abandoned_jobs(after=after):
            self.discard_empty(job_id)
            with self.database.write() as connection:
                # Asked again under the lock: somebody may go on with it.
                still = (JobRow.id == job_id, is_unsealed(), quiet_for() > after)
                found = connection.execute(select(JobRow.id).where(*still).with_for_update()).scalar_one_or_none()
                if found is not None:
                    connection.execute(update(JobRow).where(JobRow.id == job_id).values(ends_submission()))
            self._cancel_pending(job_id, until=time.monotonic() + _CANCEL_SECONDS)
            self.close_if_finished(job_id)
            ended += 1
        return ended

    def _cancel_pending(self, job_id: str, *, until: float) -> None:
        requested = select(JobRow.cancel_requested_at).where(JobRow.id == job_id)
        some: Sequence[str] = ()
        while not some or time.monotonic() < until:
            with self.database.write() as connection:
                some = shards.lock_pending(connection, job_id, limit=_CANCELLED_AT_ONCE)
                # Asked under the lock: the job may have been closed and retried meanwhile.
                if not some or connection.execute(requested).scalar_one_or_none() is None:
                    return
                pending = ItemRow.shard_id.in_(some) & (ItemRow.state == ItemStatus.PENDING)
                connection.execute(move(ItemEvent.CANCEL, pending, finished_at=db_now()))
                shards.recount_some(connection, some)

    def retry(
        self,
        job_id: str,
        *,
        codes: Sequence[str] = (),
        by: Actor = SYSTEM,
        bulk_id: str | None = None,
        within: Within = lambda connection: None,
    ) -> Job:
        """Put what failed or was cancelled back to pending, with all its attempts; items without a source stay failed.

        Of a very large job some of it is put back at once, and the rest in the reconciler's rounds.

        Args:
            job_id: of a job that has ended, or in which something has failed.
            codes: of the failures that are tried again; none: all, and what was cancelled.
            by: who asks.
            bulk_id: the bulk action that it is a part of.
            within: does something more in the transaction that begins it.

        Raises:
            JobNotFound: no such job.
            IllegalTransition: all of it succeeded, or it is open and being cancelled, put back, or without a failure.
            UsageError: nothing in it can be tried again.
        """
        with self.database.write() as connection:
            retries.lock_first(connection, job_id)
            state = _locked_state(connection, job_id)
            within(connection)
            retries.begin(connection, job_id, state, codes=codes, by=by, bulk_id=bulk_id)
        retries.go_on(self.database, job_id, until=time.monotonic() + retries.GO_ON_SECONDS)
        return self.job(job_id)

    def mark_removed(self, connection: Connection, job_ids: Sequence[str]) -> Sequence[str]:
        """Let nobody see these jobs any more, as far as they have ended, and all of them go; return which."""
        ended = (JobRow.id.in_(job_ids), JobRow.state.not_in(OPEN_STATES), STAYS)
        removed = update(JobRow).where(*ended).values(removal_started_at=db_now())
        return connection.execute(removed.returning(JobRow.id)).scalars().all()

    def set_priority(self, connection: Connection, job_ids: Sequence[str], priority: int) -> Sequence[str]:
        """Let these jobs go earlier or later, as far as they are open; return which."""
        still = (JobRow.id.in_(job_ids), JobRow.state.in_(OPEN_STATES), STAYS)
        changed = update(JobRow).where(*still).values(priority=priority)
        return connection.execute(changed.returning(JobRow.id)).scalars().all()

    def close_if_finished(self, job_id: str) -> JobStatus | None:
        """End a sealed job whose items have all ended; return its final state, or None if it goes on."""
        with self.database.read() as connection:
            # Workers ask after each claim: for most of a large job's life without a lock, and without its counts.
            if connection.execute(select(_has_open_items(job_id))).scalar_one():
                return None
        with self.database.write() as connection:
            job = connection.execute(
                select(JobRow.sealed_at, JobRow.cancel_requested_at, JobRow.abandoned_at)
                .where(JobRow.id == job_id, JobRow.state.in_(OPEN_STATES), ~IS_BEING_RETRIED)
                .with_for_update()
            ).one_or_none()
            if job is None or job.sealed_at is None:
                return None
            counts = counts_of(connection, job_id)
            event = closing_event(
                counts,
                cancel_requested=job.cancel_requested_at is not None,
                is_abandoned=job.abandoned_at is not None,
            )
            if event is None:
                return None
            worked = worked_seconds(job_id).scalar_subquery()
            connection.execute(move_job(event, JobRow.id == job_id, finished_at=db_now(), worked_seconds=worked))
            announce_end(connection, job_id, JOB_STEPS[event].target, counts)
        return JOB_STEPS[event].target

    def close_finished(self) -> int:
        """End every sealed job whose items have all ended, after cancelling what an interrupted cancel left.

        Returns how many ended.
        """
        waits = select(ShardRow.id).where(ShardRow.job_id == JobRow.id, HAS_PENDING).exists()
        half_cancelled = select(JobRow.id).where(
            IS_OPEN, JobRow.state.in_(OPEN_STATES), JobRow.cancel_requested_at.is_not(None), waits
        )
        with self.database.read() as connection:
            interrupted = connection.execute(half_cancelled).scalars().all()
        until = time.monotonic() + _CANCEL_SECONDS
        for job_id in interrupted:
            if time.monotonic() < until:
                self._cancel_pending(job_id, until=until)
        ended = select(JobRow.id).where(
            IS_OPEN,
            JobRow.state.in_(OPEN_STATES),
            JobRow.sealed_at.is_not(None),
            ~IS_BEING_RETRIED,
            ~_has_open_items(JobRow.id),
        )
        with self.database.read() as connection:
            candidates = connection.execute(ended).scalars().all()
        return sum(self.close_if_finished(job_id) is not None for job_id in candidates)


def _has_open_items(job_id: str | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    # Two looks into the items' index by job, state and number, however many have ended. With EXISTS, PostgreSQL may
    # read the table instead, in the hope of an early hit that late in a job's life does not come.
    firsts = (
        select(ItemRow.number)
        .where(ItemRow.job_id == job_id, ItemRow.state == state)
        .order_by(ItemRow.number)
        .limit(1)
        .scalar_subquery()
        for state in (ItemStatus.PENDING, ItemStatus.RUNNING)
    )
    return or_(*(first.is_not(None) for first in firsts))


def _locked_state(connection: Connection, job_id: str) -> JobStatus:
    query = select(JobRow.state).where(JobRow.id == job_id, STAYS)
    state = connection.execute(query.with_for_update()).scalar_one_or_none()
    if state is None:
        raise JobNotFound(f"there is no job {job_id}: `producer status` lists the jobs")
    return JobStatus(state)
