"""The database's clock, and what has to be done when it jumps.

Leases, rests and hints are times of the database's wall clock, the only clock that all processes share. Where it jumps
(a laptop that slept, a virtual machine that was suspended, a clock that is set), a lease seems to have run out that its
holder had no time to renew, or seems to hold for as long as the clock was set back.
"""

import time
from dataclasses import dataclass

from sqlalchemy import select, update

from shared.db.database import Database, db_now
from shared.db.tables.jobs import HAS_PENDING, IS_RUNNING, ItemRow, ShardRow
from shared.jobs.claims import MAX_BACKOFF_SECONDS


@dataclass(frozen=True)
class Reading:
    """The database's clock, read at a moment of this process's monotonic clock; `uncertain` by so many seconds."""

    wall: float
    monotonic: float
    uncertain: float

    def jump_since(self, earlier: "Reading") -> float:
        """Return how much further the wall clock has gone than the monotonic one; 0 within what the reading took."""
        jump = (self.wall - earlier.wall) - (self.monotonic - earlier.monotonic)
        uncertain = self.uncertain + earlier.uncertain
        return 0.0 if abs(jump) <= uncertain else jump


def read(database: Database) -> Reading:
    """Read the database's clock.

    Raises:
        DatabaseUnavailable: try again later.
    """
    before = time.monotonic()
    with database.read() as connection:
        wall = float(connection.execute(select(db_now())).scalar_one())
    after = time.monotonic()
    return Reading(wall, (before + after) / 2, after - before)


def pull_back(database: Database, *, lease_seconds: float) -> int:
    """End what a clock that was set back has made to last too long; return how many leases that were.

    To be called when those who live have renewed their leases: theirs then end within a lease from now, and those of
    the dead are shortened to that. Shards rest for as long as they ever do, and hints are from the past.
    """
    now = select(db_now()).scalar_subquery()
    in_order = (ShardRow.job_id, ShardRow.number)  # in which everybody locks shards
    from_the_future = HAS_PENDING & (
        (ShardRow.published_at > now + 1.0) | (ShardRow.not_before > now + MAX_BACKOFF_SECONDS)
    )
    lasting = IS_RUNNING & (ItemRow.lease_until > now + lease_seconds)
    with database.write() as connection:
        shards = select(ShardRow.id).where(from_the_future).order_by(*in_order).with_for_update()
        for shard_id in connection.execute(shards).scalars().all():
            connection.execute(
                update(ShardRow).where(ShardRow.id == shard_id).values(published_at=None, not_before=db_now())
            )
    with database.write() as connection:
        held = select(ItemRow.shard_id).where(lasting)
        connection.execute(select(ShardRow.id).where(ShardRow.id.in_(held)).order_by(*in_order).with_for_update()).all()
        return connection.execute(update(ItemRow).where(lasting).values(lease_until=now + lease_seconds)).rowcount
