"""Which shards are hinted at next: a small window of messages in Redis, filled from SQL.

Order and fairness are decided here, by what is published next, and nowhere else. The window bounds what stands in
Redis, whatever the backlog in SQL. Producers, workers and reconcilers all call `Dispatcher.fill`; several at once
are safe, since a hint sent twice finds nothing to claim the second time.
"""

from dataclasses import dataclass

from sqlalchemy import func, or_, select, update

from shared.errors import BrokerUnavailable
from shared.jobs.database import Database, db_now
from shared.jobs.messages import ShardMessage
from shared.jobs.queue import ShardQueue
from shared.jobs.tables import JobRow, ShardRow


@dataclass(frozen=True)
class WaitingShard:
    """A shard with work and no live hint."""

    id: str
    job_id: str
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
        """Send hints until the window is full; return how many went out.

        Raises:
            BrokerUnavailable, DatabaseUnavailable: try again later; nothing is lost.
        """
        free = self.window - self.queue.length()
        if free <= 0:
            return 0
        sent = 0
        for shard in self._waiting(free):
            if not self._mark(shard):
                continue  # another dispatcher was faster
            try:
                self.queue.publish(ShardMessage(job=shard.job_id, shard=shard.id))
            except BrokerUnavailable:
                self._unmark(shard)
                raise
            sent += 1
        return sent

    def _waiting(self, limit: int) -> list[WaitingShard]:
        """Return the shards to hint at next.

        Jobs of higher priority first; then the jobs take turns, a shard each, so that a large job does not starve
        a later small one.
        """
        stale = or_(ShardRow.published_at.is_(None), ShardRow.published_at < db_now() - self.resend_after)
        turn = func.row_number().over(partition_by=ShardRow.job_id, order_by=ShardRow.number)
        query = (
            select(ShardRow.id, ShardRow.job_id, ShardRow.published_at)
            .join(JobRow, JobRow.id == ShardRow.job_id)
            .where(ShardRow.pending > 0, ShardRow.not_before <= db_now(), stale)
            .order_by(JobRow.priority.desc(), turn, ShardRow.job_id)
            .limit(limit)
        )
        with self.database.read() as connection:
            return [WaitingShard(*row) for row in connection.execute(query)]

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
