"""The lock and the counts of a shard: the two rules that every writer of items keeps.

1. Lock the shard's row before reading or writing any of its items (`lock` and its like).
2. Rewrite the counts before the transaction ends (`recount`).

So the writers of one shard run one after the other, and the counts are true in every committed state. On SQLite
the whole database is one lock, taken at BEGIN. Locks are taken in the order shards by number, then the job.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, ScalarSelect, bindparam, func, select, update

from shared.db.database import db_now
from shared.db.tables.jobs import HAS_PENDING, ItemRow, ShardRow
from shared.jobs.state import ItemStatus


class LockedShard(NamedTuple):
    """What a writer needs to know of the shard that it has locked."""

    job_id: str
    pending: int
    not_before: float
    releases: int
    now: float  # on the database's clock


_LOCK = (
    select(ShardRow.job_id, ShardRow.pending, ShardRow.not_before, ShardRow.releases, db_now().label("now"))
    .where(ShardRow.id == bindparam("shard"))
    .with_for_update()
)


def lock(connection: Connection, shard_id: str) -> LockedShard | None:
    """Lock a shard; None where there is none (any more)."""
    row = connection.execute(_LOCK, {"shard": shard_id}).one_or_none()
    return None if row is None else LockedShard(*row)


def lock_all(connection: Connection, job_id: str) -> None:
    """Lock every shard of a job."""
    connection.execute(
        select(ShardRow.id).where(ShardRow.job_id == job_id).order_by(ShardRow.number).with_for_update()
    ).all()


def lock_pending(connection: Connection, job_id: str, *, limit: int) -> Sequence[str]:
    """Lock the first shards of a job that have pending items; return their ids."""
    query = select(ShardRow.id).where(ShardRow.job_id == job_id, HAS_PENDING).order_by(ShardRow.number).limit(limit)
    return connection.execute(query.with_for_update()).scalars().all()


def lock_held(connection: Connection, tokens: Sequence[str]) -> None:
    """Lock the shards in which these claims hold something."""
    held = select(ItemRow.shard_id).where(ItemRow.token.in_(tokens))
    query = select(ShardRow.id).where(ShardRow.id.in_(held)).order_by(ShardRow.job_id, ShardRow.number)
    connection.execute(query.with_for_update()).all()


def _items_in(state: ItemStatus) -> ScalarSelect[int]:
    return (
        select(func.count())
        .where(ItemRow.shard_id == ShardRow.id, ItemRow.state == state)
        .correlate(ShardRow)
        .scalar_subquery()
    )


_RECOUNT = update(ShardRow).values({state.value: _items_in(state) for state in ItemStatus})
_RECOUNT_ONE = _RECOUNT.where(ShardRow.id == bindparam("shard"))
_RECOUNT_PROGRESS = _RECOUNT_ONE.values(releases=0)
_RECOUNT_JOB = _RECOUNT.where(ShardRow.job_id == bindparam("job"))


def recount(connection: Connection, shard_id: str, *, progress: bool = False) -> None:
    """Rewrite the counts of one locked shard; with `progress`, the releases before it count no more."""
    connection.execute(_RECOUNT_PROGRESS if progress else _RECOUNT_ONE, {"shard": shard_id})


def recount_some(connection: Connection, shard_ids: Sequence[str]) -> None:
    """Rewrite the counts of these locked shards."""
    connection.execute(_RECOUNT.where(ShardRow.id.in_(shard_ids)))


def recount_all(connection: Connection, job_id: str) -> None:
    """Rewrite the counts of every locked shard of a job."""
    connection.execute(_RECOUNT_JOB, {"job": job_id})
