"""Claims, leases and outcomes: what workers and the reconciler write.

Every write is conditional on the state it leaves (`shared.jobs.state.ITEM_STEPS`) and, for the holder of a claim, on
its token. A worker that was away longer than its lease finds nothing of its own any more, and what it brings is
discarded: the token fences it off.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Double, Select, bindparam, literal, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.db.database import Database, db_now
from shared.db.tables.jobs import IS_RUNNING, ItemRow, JobRow, ShardRow
from shared.errors import ImageOutOfMemory, ItemError, ItemErrorCode
from shared.jobs import metrics, shards, steps
from shared.jobs.claim_log import Overdue, Strangers
from shared.jobs.records import Claim, ClaimedItem, Outcome, Unfamiliar, pixel_size_of
from shared.jobs.state import JOB_STEPS, ItemEvent, ItemStatus, JobEvent
from shared.jobs.steps import NO_CLAIM, NOT_CANCELLED, move

_FIRST_BACKOFF_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 60.0
_EXPIRED_ITEMS_A_ROUND = 10_000


class Claims:
    """The claims of one database.

    Args:
        database: where the rows are.
        lease_seconds: how long a claim holds without being renewed.
        max_attempts: crashes after which an item fails with `worker_crashed`.
    """

    def __init__(self, database: Database, *, lease_seconds: float, max_attempts: int) -> None:
        self.database = database
        self.lease_seconds = lease_seconds
        self.max_attempts = max_attempts
        self._strangers = Strangers()

    def claim(self, shard_id: str, *, worker: str, quarantined: bool = False) -> Claim | None:
        """Take the pending items of a shard; None where there is nothing to take (now).

        Leases that ran out are left to the reconciler, which knows whether they could have been renewed at all.

        Items that were running when a worker crashed are quarantined: they are taken one at a time, and only with
        `quarantined=True`, which a worker asks for when it runs nothing else, so that a poison image fails alone.
        Attempts go up in this transaction, before any work.
        """
        token = str(uuid4())
        with self.database.write() as connection:
            shard = shards.lock(connection, shard_id)
            if shard is None:
                self._strangers.report()
                return None
            if not shard.pending:
                return None
            taken: Sequence[Any] = ()
            if shard.not_before <= shard.now:
                taken = self._take(connection, shard_id, shard.job_id, token, worker, quarantined)
            if taken:
                # It cannot end or be put back to its start while this shard is locked.
                if taken[0].job_state in JOB_STEPS[JobEvent.START].sources:
                    steps.start_job(connection, shard.job_id)
            elif steps.cancel_requested(connection, shard.job_id):
                steps.cancel_pending(connection, shard_id)
            else:
                return None
            shards.recount(connection, shard_id)
        if not taken:
            return None
        items = sorted(
            (ClaimedItem(*row[: len(fields(ClaimedItem))]) for row in taken),
            key=lambda item: item.id,
        )
        return Claim(
            token=token,
            shard_id=shard_id,
            job_id=shard.job_id,
            priority=taken[0].job_priority,
            model=taken[0].job_model,
            scale=taken[0].job_scale,
            unfamiliar=Unfamiliar(taken[0].job_unfamiliar),
            channel=taken[0].job_channel,
            threshold=taken[0].job_threshold,
            pixel_size=pixel_size_of(taken[0].job_pixel_width_um, taken[0].job_pixel_height_um),
            postprocessing=taken[0].job_postprocessing,
            items=tuple(items),
        )

    def has_quarantined(self, shard_id: str) -> bool:
        """Return whether pending items of the shard wait to be run alone."""
        with self.database.read() as connection:
            query = select(ItemRow.id).where(
                ItemRow.shard_id == shard_id, ItemRow.state == ItemStatus.PENDING, ItemRow.quarantined.is_(True)
            )
            return connection.execute(query.limit(1)).first() is not None

    def renew(self, tokens: Iterable[str]) -> set[str]:
        """Prolong the leases of these claims; return the tokens that still hold something."""
        tokens = list(tokens)
        with self.database.write() as connection:
            # In one order with every other writer: without the locks, renewing and completing meet in a deadlock.
            shards.lock_held(connection, tokens)
            statement = (
                update(ItemRow)
                .where(ItemRow.token.in_(tokens), ItemRow.state == ItemStatus.RUNNING)
                .values(lease_until=db_now() + self.lease_seconds)
                .returning(ItemRow.token)
            )
            return {token for token in connection.execute(statement).scalars() if token is not None}

    def cancelled_jobs(self, job_ids: Iterable[str]) -> set[str]:
        """Return those of these jobs that somebody asked to cancel."""
        query = select(JobRow.id).where(JobRow.id.in_(list(job_ids)), JobRow.cancel_requested_at.is_not(None))
        with self.database.read() as connection:
            return set(connection.execute(query).scalars())

    def complete(self, claim: Claim, outcomes: Sequence[Outcome]) -> dict[str, ItemStatus]:
        """Write outcomes of a claim in one transaction; return the state of each item that ended by it.

        An outcome whose item somebody else holds by now is discarded. Where the job was cancelled meanwhile all
        items that the claim still holds end as cancelled, without a result, those without an outcome too.
        """
        with self.database.write() as connection:
            if shards.lock(connection, claim.shard_id) is None:
                return {}
            ended = steps.end_held(connection, claim.token, claim.job_id, outcomes)
            if ended:
                shards.recount(connection, claim.shard_id, progress=True)
        return ended

    def release(self, claim: Claim, *, oversized: Collection[str] = (), lasting: ItemError | None = None) -> int:
        """Release what a claim still holds because something is unavailable; return how many items that were.

        No attempt is used up. The shard rests for a time that doubles with each release in a row. Items of a cancelled
        job end instead.

        Args:
            claim: what is held under its token is released.
            oversized: ids of items that did not fit in memory. They are quarantined, so that they run alone, and their
                attempt counts. One that had its last fails: it would be released for ever.
            lasting: what it then fails with; None: with `out_of_memory`.
        """
        with self.database.write() as connection:
            shard = shards.lock(connection, claim.shard_id)
            if shard is None:
                return 0
            lasting = lasting or ImageOutOfMemory().lasting
            released = too_large = 0
            if steps.cancel_requested(connection, claim.job_id):
                steps.cancel_held(connection, claim.token)
            else:
                owned = ItemRow.token == claim.token
                if oversized:
                    too_large, released = self._quarantine(connection, owned & ItemRow.id.in_(oversized), lasting)
                released += connection.execute(
                    move(ItemEvent.RELEASE, owned, attempts=ItemRow.attempts - 1, worker=None, **NO_CLAIM)
                ).rowcount
            if released:
                connection.execute(
                    update(ShardRow)
                    .where(ShardRow.id == claim.shard_id)
                    # published_at is emptied so that the dispatcher sends a hint as soon as the rest is over.
                    .values(
                        not_before=db_now() + backoff_seconds(shard.releases),
                        releases=shard.releases + 1,
                        published_at=None,
                    )
                )
            shards.recount(connection, claim.shard_id)
        if too_large:
            metrics.IMAGES.labels(ItemStatus.FAILED.value).inc(too_large)
            metrics.FAILURES.labels(lasting.code.value).inc(too_large)
        return released

    def _quarantine(
        self, connection: Connection, oversized: ColumnElement[bool], lasting: ItemError
    ) -> tuple[int, int]:
        """End the items that did not fit in memory with their last attempt, quarantine the others; count both."""
        failed = connection.execute(
            move(
                ItemEvent.FAIL,
                oversized & (ItemRow.attempts >= self.max_attempts),
                error_code=lasting.code,
                error=str(lasting),
                finished_at=db_now(),
                **NO_CLAIM,
            )
        ).rowcount
        return failed, connection.execute(
            move(ItemEvent.RELEASE, oversized, quarantined=True, worker=None, **NO_CLAIM)
        ).rowcount

    def expire(self, now: float | None = None) -> int:
        """Free every lease that has run out; return how many items were freed or failed.

        Args:
            now: time of the database's clock as it was read; None: as it is. Whoever has seen that it did not jump
                until `now` frees nothing by a jump after that.
        """
        clock: ColumnElement[float] = db_now() if now is None else literal(now, Double())
        query = (
            select(ItemRow.shard_id)
            # The clock as a subquery, see shared.upkeep.retention: only the leases that ran out are looked at.
            .where(IS_RUNNING, ItemRow.lease_until < select(clock).scalar_subquery())
            # In the order of the index of leases; asked for DISTINCT, SQLite goes through that of all shards.
            .order_by(ItemRow.lease_until)
            .limit(_EXPIRED_ITEMS_A_ROUND)
        )
        with self.database.read() as connection:
            overdue = dict.fromkeys(connection.execute(query).scalars())
        freed = 0
        for shard_id in overdue:
            # A transaction for each shard: two reconcilers at work meet at one shard's lock, not at all of them.
            with self.database.write() as connection:
                shard = shards.lock(connection, shard_id)
                if shard is None:
                    continue
                freed_here = self._free_overdue(connection, shard_id, shard.job_id, clock)
                if freed_here.total:
                    connection.execute(update(ShardRow).where(ShardRow.id == shard_id).values(published_at=None))
                    shards.recount(connection, shard_id)
            freed_here.report(shard.job_id, shard_id)
            freed += freed_here.total
        return freed

    def _free_overdue(self, connection: Connection, shard_id: str, job_id: str, clock: ColumnElement[float]) -> Overdue:
        overdue = (ItemRow.shard_id == shard_id) & (ItemRow.lease_until < clock)
        exhausted = connection.execute(
            move(
                ItemEvent.EXHAUST,
                overdue & (ItemRow.attempts >= self.max_attempts),
                error_code=ItemErrorCode.WORKER_CRASHED,
                error=f"the worker ended {self.max_attempts} times while it worked on this image",
                finished_at=db_now(),
                **NO_CLAIM,
            )
        )
        # The attempts are asked again: a lease may have run out since the statement before.
        again = overdue & (ItemRow.attempts < self.max_attempts)
        expired = connection.execute(move(ItemEvent.EXPIRE, again, quarantined=True, worker=None, **NO_CLAIM))
        if steps.cancel_requested(connection, job_id):
            steps.cancel_pending(connection, shard_id)
        return Overdue(retried=expired.rowcount, failed=exhausted.rowcount)

    def _take(
        self, connection: Connection, shard_id: str, job_id: str, token: str, worker: str, quarantined: bool
    ) -> Sequence[Any]:
        values = {
            "shard": shard_id,
            "job": job_id,
            "holder": token,
            "lease": self.lease_seconds,
            "by": worker,
        }
        return connection.execute(_TAKE_QUARANTINED if quarantined else _TAKE, values).all()


def backoff_seconds(releases: int) -> float:
    """Return how long a shard rests that was released so many times in a row before: 2, 4, 8 … 60 seconds."""
    # The exponent is bounded too: a store that is away for weeks must not overflow a float.
    return min(_FIRST_BACKOFF_SECONDS * 2.0 ** min(releases, 16), MAX_BACKOFF_SECONDS)


def _taking(free: Select[str]) -> ReturningUpdate[Any]:
    statement = move(
        ItemEvent.CLAIM,
        ItemRow.id.in_(free) & NOT_CANCELLED,
        attempts=ItemRow.attempts + 1,
        token=bindparam("holder"),
        claimed_at=db_now(),
        lease_until=db_now() + bindparam("lease", type_=Double()),
        worker=bindparam("by"),
    )
    # They refer to no column of the row, so the database looks them up once, and they cost no round trip.
    job = select(JobRow).where(JobRow.id == bindparam("job"))
    return statement.returning(
        ItemRow.id, ItemRow.job_id, ItemRow.path, ItemRow.source_key, ItemRow.synthesis, ItemRow.attempts,
        ItemRow.truth_key, ItemRow.described,
        job.with_only_columns(JobRow.priority).scalar_subquery().label("job_priority"),
        job.with_only_columns(JobRow.model).scalar_subquery().label("job_model"),
        job.with_only_columns(JobRow.scale).scalar_subquery().label("job_scale"),
        job.with_only_columns(JobRow.unfamiliar).scalar_subquery().label("job_unfamiliar"),
        job.with_only_columns(JobRow.channel).scalar_subquery().label("job_channel"),
        job.with_only_columns(JobRow.threshold).scalar_subquery().label("job_threshold"),
        job.with_only_columns(JobRow.pixel_width_um).scalar_subquery().label("job_pixel_width_um"),
        job.with_only_columns(JobRow.pixel_height_um).scalar_subquery().label("job_pixel_height_um"),
        job.with_only_columns(JobRow.postprocessing).scalar_subquery().label("job_postprocessing"),
        job.with_only_columns(JobRow.state).scalar_subquery().label("job_state"),
    )  # fmt: skip


def _free(*, quarantined: bool) -> Select[str]:
    return select(ItemRow.id).where(
        ItemRow.shard_id == bindparam("shard"),
        ItemRow.state == ItemStatus.PENDING,
        ItemRow.quarantined.is_(quarantined),
    )


_TAKE = _taking(_free(quarantined=False))
# Those with the fewest attempts first: the poison one, which keeps its attempts, comes last.
_TAKE_QUARANTINED = _taking(_free(quarantined=True).order_by(ItemRow.attempts, ItemRow.number).limit(1))
