"""What happens to a job after its end: its leftovers go, in time its sources, and in the end all of it.

Everything is done in small steps, each of which finds in the database what is to be done next, so that an
interruption at any point loses nothing and two that work side by side do no harm:

tidying     once a while has passed since the end, objects that no row names are deleted: of uploads that were
            interrupted, of workers that were killed between storing and committing
sources     the rows forget their sources first; the objects are then leftovers, and go as those do
removal     the job is marked, and from then on nobody sees it; then its objects go, then its rows, the job's own last

Sources that a clone may still read wait for it, and so does what is left of the job that has them.

Only jobs that have ended are touched. Models stay, whatever jobs name them.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from shared.db.database import Database, db_now
from shared.db.tables.jobs import STAYS, ItemRow, JobRow, ShardRow
from shared.jobs.clones import is_read
from shared.jobs.state import JobStatus
from shared.store import ObjectInfo, ObjectStore, keys, references
from shared.upkeep.ownership import owned

log = logging.getLogger(__name__)

# When leftovers of a job may go: a worker that lost its claim has noticed by then that nobody wants its result.
TIDY_AFTER_LEASES = 3

_OBJECTS_A_STEP = 500
_SHARDS_A_STEP = 16
_HAS_SOURCES = JobRow.sources_removed_at.is_(None) & ~is_read()
_ENDED = JobRow.state.in_([state for state in JobStatus if state.is_final])


@dataclass(frozen=True)
class RetentionRules:
    """How many seconds after a job's end what goes; None: never."""

    tidy_after: float
    remove_sources_after: float | None = None
    remove_jobs_after: float | None = None


@dataclass(frozen=True)
class _Listing:
    """The objects of the job that is being tidied, as far as they were not looked at."""

    job_id: str
    objects: Iterator[ObjectInfo]


@dataclass(frozen=True)
class _Forgotten:
    """How far the sources of the job that is being tidied are forgotten."""

    job_id: str
    since: float  # when its sources went, so that another time begins anew
    shard: int  # the number of the last one that is done


class Retention:
    """Tidies up after jobs that have ended, and removes those that are old."""

    def __init__(self, database: Database, store: ObjectStore, rules: RetentionRules) -> None:
        self._database = database
        self._store = store
        self._rules = rules
        self._listing: _Listing | None = None
        self._forgotten: _Forgotten | None = None

    def step(self) -> bool:
        """Do a bounded piece of what is due; return whether there was any. Retryable where a service is away."""
        try:
            return self._remove() or self._forget_sources() or self._tidy()
        except BaseException:
            self._listing = self._forgotten = None  # a listing that broke off looks like one that came to its end
            raise

    def due(self, *, sources_only: bool = False) -> list[str]:
        """Return the ids of the jobs that the rules remove now, or lose their sources, the oldest end first."""
        after = self._rules.remove_sources_after if sources_only else self._rules.remove_jobs_after
        where = [_HAS_SOURCES] if sources_only else []
        return [] if after is None else self._jobs(_ended_before(after), *where)

    # -- removal ---------------------------------------------------------------------------------------------

    def _remove(self) -> bool:
        with self._database.read() as connection:
            # Of a job that was discarded it starts a little later, see `Submissions.discard_empty`.
            started = JobRow.removal_started_at.is_not(None) & (JobRow.removal_started_at <= db_now())
            query = select(JobRow.id).where(started, ~is_read()).limit(1)
            job_id = connection.execute(query).scalar_one_or_none()
        if job_id is not None:
            self._remove_some(job_id)
            return True
        if self._rules.remove_jobs_after is None:
            return False
        due = _ended_before(self._rules.remove_jobs_after)
        return self._mark(due, removal_started_at=db_now())

    def _remove_some(self, job_id: str) -> None:
        prefix = keys.job_prefix(job_id)
        # From the start each time: what a step before deleted is no longer listed.
        some = [info.key for info in islice(self._store.list(prefix), _OBJECTS_A_STEP)]
        if some:
            self._store.delete(some)
            return
        with self._database.write() as connection:
            shards = self._shards(connection, ShardRow.job_id == job_id)
            if shards:
                connection.execute(delete(ItemRow).where(ItemRow.shard_id.in_(shards)))
                connection.execute(delete(ShardRow).where(ShardRow.id.in_(shards)))
                return
            connection.execute(delete(JobRow).where(JobRow.id == job_id, JobRow.removal_started_at.is_not(None)))
        self._store.delete_prefix(prefix)  # the empty folders of a local store
        log.info("job removed: its time was over", extra={"job": job_id, "action": "job_removed"})

    # -- sources ---------------------------------------------------------------------------------------------

    def _forget_sources(self) -> bool:
        if self._rules.remove_sources_after is None:
            return False
        due = _ended_before(self._rules.remove_sources_after) & _HAS_SOURCES
        return self._mark(due, sources_removed_at=db_now(), tidied_at=None)

    def _forget_some(self, job_id: str, since: float) -> bool:
        """Forget the sources of some shards, by number; False once none is left."""
        done = self._forgotten
        last = done.shard if done is not None and (done.job_id, done.since) == (job_id, since) else -1
        # What an item refers to was never stored here, and stays.
        has_source = ItemRow.source_key.is_not(None) & ItemRow.source_key.not_like(f"{references.SCHEME}%")
        with self._database.write() as connection:
            remains = select(ItemRow.id).where(ItemRow.shard_id == ShardRow.id, has_source).exists()
            shards = self._shards(connection, (ShardRow.job_id == job_id) & (ShardRow.number > last) & remains)
            if not shards or not self._lock(connection, job_id, JobRow.sources_removed_at.is_not(None)):
                self._forgotten = None
                return False
            connection.execute(update(ItemRow).where(ItemRow.shard_id.in_(shards), has_source).values(source_key=None))
            passed = select(func.max(ShardRow.number)).where(ShardRow.id.in_(shards))
            self._forgotten = _Forgotten(job_id, since, connection.execute(passed).scalar_one())
        return True

    # -- tidying ---------------------------------------------------------------------------------------------

    def _tidy(self) -> bool:
        due = self._jobs(_ended_before(self._rules.tidy_after), JobRow.tidied_at.is_(None), limit=1)
        if not due:
            self._listing = None  # of a job that was retried, or that another reconciler has tidied
            return False
        job_id = due[0]
        if self._listing is None or self._listing.job_id != job_id:
            with self._database.read() as connection:
                forgets = connection.execute(
                    select(JobRow.sources_removed_at).where(JobRow.id == job_id)
                ).scalar_one_or_none()
            if forgets is not None and self._forget_some(job_id, forgets):
                return True
            self._listing = _Listing(job_id, self._store.list(keys.job_prefix(job_id)))
        page = list(islice(self._listing.objects, _OBJECTS_A_STEP))
        if page:
            self.delete_waste(job_id, page)
            return True
        self._listing = None
        with self._database.write() as connection:
            still = (JobRow.id == job_id, _ended_before(self._rules.tidy_after), _ENDED, STAYS)
            connection.execute(update(JobRow).where(*still).values(tidied_at=db_now()))
        return True

    def delete_waste(self, job_id: str, page: Sequence[ObjectInfo]) -> int:
        """Delete those objects of an ended job that nobody names, and return their number."""
        with self._database.read() as connection:
            if not any(each.is_waste for each in owned(connection, job_id, page)):
                return 0
        # Asked again under the job's lock, which a retry needs too: what a worker is about to store is not taken away.
        with self._database.write() as connection:
            if not self._lock(connection, job_id):
                return 0
            waste = [each.info.key for each in owned(connection, job_id, page) if each.is_waste]
            self._store.delete(waste)
        log.info("%d leftover objects deleted", len(waste), extra={"job": job_id, "action": "job_tidied"})
        return len(waste)

    # -- shared ----------------------------------------------------------------------------------------------

    def _mark(self, due: ColumnElement[bool], **values: Any) -> bool:
        """Write these values to the one job that has been due for the longest; False where none is."""
        with self._database.write() as connection:
            oldest = select(JobRow.id).where(due, _ENDED, STAYS).order_by(JobRow.finished_at).limit(1)
            job_id = connection.execute(oldest.with_for_update()).scalar_one_or_none()
            if job_id is None:
                return False
            # The conditions once more, as they are under the lock: a retry, or a clone, may have come first.
            connection.execute(update(JobRow).where(JobRow.id == job_id, due, _ENDED, STAYS).values(**values))
        return True

    def _lock(self, connection: Connection, job_id: str, *where: ColumnElement[bool]) -> bool:
        query = select(JobRow.id).where(JobRow.id == job_id, _ENDED, STAYS, *where).with_for_update()
        return connection.execute(query).scalar_one_or_none() is not None

    def _shards(self, connection: Connection, where: ColumnElement[bool]) -> list[str]:
        """Lock some shards, in the order of all writers, and return their ids."""
        query = select(ShardRow.id).where(where).order_by(ShardRow.number).limit(_SHARDS_A_STEP)
        return list(connection.execute(query.with_for_update()).scalars())

    def _jobs(self, *where: ColumnElement[bool], limit: int | None = None) -> list[str]:
        query = select(JobRow.id).where(*where, _ENDED, STAYS).order_by(JobRow.finished_at).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())


def _ended_before(seconds: float) -> ColumnElement[bool]:
    # As a subquery the clock is read once, so that the index is; on its own PostgreSQL asks it for each row.
    return JobRow.finished_at < select(db_now() - seconds).scalar_subquery()
