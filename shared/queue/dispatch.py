"""Which shards are hinted at next: a small window of messages in Redis, filled from SQL.

Which shard comes next is decided here: by what is published (`Dispatcher.fill`), and by what a worker does before the
shard that it was sent (`Dispatcher.more_urgent`), since hints stand in line in Redis. Inside of a worker the priority
lane goes on from there (`worker.priority_lane`): among the claims in work, urgent images go first. The window bounds
what stands in Redis, whatever the backlog in SQL.

Both ask for the jobs that have work by going through an index from one to the next, and look at the first shards of
each. So they cost the same with a thousand images in SQL as with a million, and with a history of ended jobs.
"""

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Double, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from shared.db.database import Database, db_now
from shared.db.tables.jobs import HAS_PENDING, JobRow, ShardRow
from shared.errors import BrokerUnavailable
from shared.jobs.metrics import HINTS
from shared.queue.celery_app import ShardQueue
from shared.queue.messages import ShardMessage


@dataclass(frozen=True)
class WaitingShard:
    """A shard with work and no live hint."""

    id: str
    job_id: str
    number: int
    published_at: float | None


class Dispatcher:
    """Keeps the window of published shards full.

    Args:
        window: most messages waiting in Redis.
        resend_after: seconds after which a hint that had no effect counts as lost.
    """

    def __init__(self, database: Database, queue: ShardQueue, *, window: int, resend_after: float) -> None:
        self.database = database
        self.queue = queue
        self.window = window
        self.resend_after = resend_after

    def fill(self) -> int:
        """Send hints until the window is full; return how many went out: none while another dispatcher is at it.

        Producers, workers and reconcilers all call this, at any time.

        Raises:
            BrokerUnavailable: try again later; nothing is lost.
            DatabaseUnavailable: likewise.
        """
        with self.queue.filling() as mine:
            free = self.window - self.queue.length() if mine else 0
            return sum(self._send(shard) for shard in self.next_shards(free)) if free > 0 else 0

    def more_urgent(self, shard_id: str) -> str | None:
        """Return a shard that has to go before this one: ready for a claim, and of a job of higher priority."""
        with self.database.read() as connection:
            urgent = connection.execute(_MORE_URGENT, {"shard": shard_id}).scalars()
            return next((shard for shard in urgent if shard is not None), None)

    def next_shards(self, limit: int) -> list[WaitingShard]:
        """Return the shards to hint at next.

        Jobs of higher priority first. Among equals the job with the fewest hints out, so that a large job does not
        starve a later small one; then the job that has come the least far.
        """
        chosen: list[WaitingShard] = []
        lines: dict[str, deque[WaitingShard]] = {}
        with self.database.read() as connection:
            turns = self._turns(connection)
            while turns and len(chosen) < limit:
                descending_priority, hinted, _, job_id = heappop(turns)
                if job_id not in lines:
                    lines[job_id] = self._line(connection, job_id, limit)
                if line := lines[job_id]:
                    chosen.append(line.popleft())
                if line:
                    heappush(turns, (descending_priority, hinted + 1, line[0].number, job_id))
        return chosen

    def _turns(self, connection: Connection) -> list[tuple[int, int, int, str]]:
        """Return a heap of (−priority, hints out, number of its first waiting shard, id) of the jobs that wait."""
        turns = [
            (-priority, count, number, job_id)
            for priority, count, number, job_id in connection.execute(
                _TURNS, {"front": 2 * self.window, "resend_after": self.resend_after}
            )
            if number is not None
        ]
        heapify(turns)
        return turns

    def _line(self, connection: Connection, job_id: str, limit: int) -> deque[WaitingShard]:
        values = {"job": job_id, "most": limit, "resend_after": self.resend_after}
        return deque(WaitingShard(*row) for row in connection.execute(_LINE, values))

    def _send(self, shard: WaitingShard) -> bool:
        if not self._mark(shard):
            return False  # another dispatcher was faster
        try:
            self.queue.publish(ShardMessage(job=shard.job_id, shard=shard.id))
        except BrokerUnavailable:
            self._unmark(shard)
            raise
        HINTS.inc()
        return True

    def _mark(self, shard: WaitingShard) -> bool:
        seen = (
            ShardRow.published_at.is_(None)
            if shard.published_at is None
            else ShardRow.published_at == shard.published_at
        )
        statement = update(ShardRow).where(ShardRow.id == shard.id, seen).values(published_at=db_now())
        # Committed before the message is sent: a worker may answer faster than this transaction would end.
        with self.database.write() as connection:
            return bool(connection.execute(statement).rowcount)

    def _unmark(self, shard: WaitingShard) -> None:
        with self.database.write() as connection:
            connection.execute(update(ShardRow).where(ShardRow.id == shard.id).values(published_at=None))


def _jobs_with_pending() -> CTE:
    """Return the ids of the jobs that have pending items, and a null at the end.

    Each is found from the one before in the index of shards with pending items, whose other entries are skipped.
    """
    smallest = select(func.min(ShardRow.job_id).label("id")).where(HAS_PENDING)
    jobs = smallest.cte("jobs_with_pending", recursive=True)
    following = smallest.where(ShardRow.job_id > jobs.c.id).correlate(jobs).scalar_subquery()
    return jobs.union_all(select(following).where(jobs.c.id.is_not(None)))


def _first(
    column: InstrumentedAttribute[Any], job_id: ColumnElement[str], condition: ColumnElement[bool]
) -> Select[Any]:
    """Return the column of the first shard with pending items of a job that fulfils the condition."""
    return select(column).where(ShardRow.job_id == job_id, HAS_PENDING, condition).order_by(ShardRow.number).limit(1)


def _more_urgent() -> Select[Any]:
    jobs = _jobs_with_pending()
    own = (
        select(JobRow.priority)
        .join(ShardRow, ShardRow.job_id == JobRow.id)
        .where(ShardRow.id == bindparam("shard"))
        .scalar_subquery()
    )
    ready = _first(ShardRow.id, jobs.c.id, ShardRow.not_before <= db_now()).scalar_subquery()
    return (
        select(ready)
        .select_from(jobs.join(JobRow, JobRow.id == jobs.c.id))
        .where(JobRow.priority > own)
        .order_by(JobRow.priority.desc(), JobRow.id)
    )


def _waits() -> ColumnElement[bool]:
    lost = ShardRow.published_at < db_now() - bindparam("resend_after", type_=Double())
    return and_(ShardRow.not_before <= db_now(), or_(ShardRow.published_at.is_(None), lost))


def _turns() -> Select[Any]:
    jobs = _jobs_with_pending()
    # Hints go out by number, so they are out for shards at a job's front.
    front = (
        select(ShardRow.published_at)
        .where(ShardRow.job_id == jobs.c.id, HAS_PENDING)
        .order_by(ShardRow.number)
        .limit(bindparam("front"))
        .correlate(jobs)
        .subquery()
    )
    hinted = select(func.count(front.c.published_at)).scalar_subquery()
    first = _first(ShardRow.number, jobs.c.id, _waits()).scalar_subquery()
    return select(JobRow.priority, hinted, first, JobRow.id).join(jobs, jobs.c.id == JobRow.id)


# Built once: after every claim they are asked again, and building one costs more than its answer.
_MORE_URGENT = _more_urgent()
_TURNS = _turns()
_LINE = (
    select(ShardRow.id, ShardRow.job_id, ShardRow.number, ShardRow.published_at)
    .where(ShardRow.job_id == bindparam("job"), HAS_PENDING, _waits())
    .order_by(ShardRow.number)
    .limit(bindparam("most"))
)
