"""What somebody wants to know first: who works, who has vanished with what, why jobs wait, and why images failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from shared.db.database import Database, db_now
from shared.db.tables.jobs import (
    HAS_PENDING,
    IS_OPEN,
    IS_RUNNING,
    IS_TALLIED,
    STAYS,
    FailureCountRow,
    ItemRow,
    JobRow,
    ShardRow,
)
from shared.jobs.records import Job
from shared.jobs.state import JobStatus
from shared.jobs.workers import ALIVE_SECONDS, Worker

MISSED_SECONDS = 600.0
"""For how long a worker that is not heard of is told of."""

_OPEN_SHOWN = 20


@dataclass(frozen=True)
class Held:
    """What a worker has claimed, and in how many seconds the last of it is free if it renews nothing."""

    images: int
    free_in: float


@dataclass(frozen=True)
class Cause:
    """How many images failed with a code over all jobs that have ended, and in how many jobs."""

    code: str
    images: int
    jobs: int


@dataclass(frozen=True)
class Queue:
    """What waits and what is in work, over all jobs; `oldest` in seconds since it was submitted."""

    images: int
    shards: int
    running: int
    jobs: int
    oldest: float | None


def held_by(database: Database) -> dict[str, Held]:
    """Return what each worker has claimed, by its name."""
    query = (
        select(ItemRow.worker, func.count(), func.max(ItemRow.lease_until) - db_now())
        .where(IS_RUNNING, ItemRow.lease_until.is_not(None), ItemRow.worker.is_not(None))
        .group_by(ItemRow.worker)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return {str(name): Held(int(count), max(0.0, float(rest or 0.0))) for name, count, rest in rows}


def queue(database: Database) -> Queue:
    """Return what waits; it reads what is open alone."""
    waiting = (
        select(
            func.coalesce(func.sum(ShardRow.pending), 0), func.count(), func.count(ShardRow.job_id.distinct()),
            db_now() - func.min(JobRow.created_at),
        )
        .join(JobRow, JobRow.id == ShardRow.job_id)
        .where(HAS_PENDING, IS_OPEN, STAYS)
    )  # fmt: skip
    with database.read() as connection:
        images, shards, jobs, oldest = connection.execute(waiting).one()
        running = connection.execute(select(func.count()).where(IS_RUNNING, ItemRow.lease_until.is_not(None)))
        return Queue(int(images), shards, int(running.scalar_one()), jobs, None if oldest is None else float(oldest))


def causes(database: Database) -> list[Cause]:
    """Return why images failed over all jobs that have ended, the most frequent code first."""
    images = func.sum(FailureCountRow.count)
    query = (
        select(FailureCountRow.code, images, func.count())
        .join(JobRow, JobRow.id == FailureCountRow.job_id)
        .where(STAYS, IS_TALLIED)
        .group_by(FailureCountRow.code)
        .order_by(images.desc(), FailureCountRow.code)
    )
    with database.read() as connection:
        return [Cause(code, int(count), jobs) for code, count, jobs in connection.execute(query)]


def open_jobs(database: Database) -> list[str]:
    """Return the ids of some open jobs in the order in which they are served."""
    query = select(JobRow.id).where(IS_OPEN, STAYS).order_by(JobRow.priority.desc(), JobRow.id).limit(_OPEN_SHOWN)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def alerts(waiting: Queue, workers: Sequence[Worker], held: dict[str, Held], quiet: float | None) -> list[str]:
    """Return what is amiss, each as a sentence; the rules are those that Prometheus has, read from the database.

    Args:
        waiting: what waits.
        workers: those that were heard of within MISSED_SECONDS.
        held: what each has claimed.
        quiet: seconds since any worker was heard of; None: none ever was, or all have ended as they should.
    """
    alive = [worker for worker in workers if worker.age < ALIVE_SECONDS]
    found = []
    if waiting.images and not alive:
        since = "No worker is running" if quiet is None else f"No worker has been heard of for {quiet:,.0f} s"
        found.append(
            f"{since}, and {_count(waiting.shards, 'shard')} with {_count(waiting.images, 'image')} wait: start one."
        )
    for worker in workers:
        if worker.age < ALIVE_SECONDS:
            continue
        mine = held.get(worker.name)
        rest = (
            f" and holds {_count(mine.images, 'image')}, free in {mine.free_in:,.0f} s"
            if mine
            else " and holds nothing"
        )
        found.append(f"{worker.name} has not been heard of for {worker.age:,.0f} s{rest}.")
    if waiting.images and alive and not waiting.running and (waiting.oldest or 0.0) > MISSED_SECONDS:
        found.append(
            f"{_count(waiting.images, 'image')} wait and none is in work, though a worker lives: its log says why."
        )
    return found


def why(job: Job, waiting: Queue, quiet: float | None, *, given_back: float | None = None) -> str:
    """Return why an open job is not done yet, as one sentence.

    Args:
        job: the job.
        waiting: what waits over all jobs.
        quiet: seconds since any worker was heard of, as with `alerts`.
        given_back: in how many seconds what a worker gave back is tried again; None: nothing was.
    """
    counts = job.counts
    if job.cancel_requested_at is not None:
        return "It is being cancelled; what is in work comes to its end first."
    if counts.pending + counts.running == 0:
        words = job.upload_words
        return f"Nothing of it is left to do: {words}." if words else "All of it is done; it ends within a moment."
    if quiet is None or quiet >= ALIVE_SECONDS:
        seen = "no worker is running" if quiet is None else f"no worker has been heard of for {quiet:,.0f} s"
        return f"It waits, since {seen}."
    if given_back is not None and not counts.running:
        return f"A worker gave it back, since a service was away or memory short; next try in {given_back:,.0f} s."
    if counts.running:
        return f"{_count(counts.running, 'image')} in work, {counts.pending:,} to come."
    others = waiting.jobs - 1
    if others > 0:
        wait = "1 other job waits" if others == 1 else f"{others:,} other jobs wait"
        return f"It waits for its turn: {wait} too, those of a higher priority first."
    state = "It has not been begun" if job.state is JobStatus.QUEUED else "It goes on"
    return f"{state}; a worker lives and takes it as soon as it is free."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
