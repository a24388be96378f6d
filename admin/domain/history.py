"""How many images ended and how many waited, over a span of time.

No row says how a job went on from minute to minute, so its images count as having ended evenly from its begin to its
end, or until now. What it costs goes with the jobs of the span and never with the images that the database holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select, union

from shared.db.database import Database, db_now
from shared.db.tables.jobs import IS_OPEN, STAYS, JobRow
from shared.jobs.records import Job

BINS = 60
MAX_JOBS = 300
"""Jobs that a history is made of, the newest."""


@dataclass(frozen=True)
class Span:
    """What happened in the last seconds, in stretches of one length, the oldest first."""

    words: str
    seconds: float
    jobs: int  # that it is made of
    is_cut: bool  # whether there were more
    rates: list[float]  # images a second that ended in each stretch
    waiting: list[float]  # images that waited or were in work at the end of each

    @property
    def top_rate(self) -> float:
        """The highest rate."""
        return max(self.rates)

    @property
    def top_waiting(self) -> float:
        """The most that waited."""
        return max(self.waiting)


def lately(database: Database, seconds: float) -> list[str]:
    """Return the newest jobs that are open, or ended within so many seconds, at most one more than MAX_JOBS."""
    is_open = select(JobRow.id).where(IS_OPEN, STAYS)
    ended = select(JobRow.id).where(JobRow.finished_at > db_now() - seconds, STAYS)
    found = union(is_open, ended).subquery()
    with database.read() as connection:
        query = select(found.c.id).order_by(found.c.id.desc()).limit(MAX_JOBS + 1)
        return list(connection.execute(query).scalars())


def span(jobs: Sequence[Job], now: float, seconds: float, words: str) -> Span:
    """Return what happened in the last seconds.

    Args:
        jobs: those that were open at some time of it, as `lately` finds them.
        now: the time at its end.
        seconds: its length.
        words: what it is called.
    """
    is_cut = len(jobs) > MAX_JOBS
    jobs = jobs[:MAX_JOBS]
    edges = [now - seconds + seconds * number / BINS for number in range(BINS + 1)]
    ended = [sum(_ended(job, edge, now) for job in jobs) for edge in edges]
    rates = [(after - before) * BINS / seconds for before, after in pairwise(ended)]
    waiting = [sum(_waiting(job, edge, now) for job in jobs) for edge in edges[1:]]
    # Rounded, so that what looks the same is the same.
    return Span(
        words, seconds, len(jobs), is_cut, [round(rate, 4) for rate in rates], [round(each, 1) for each in waiting]
    )


def _ended(job: Job, moment: float, now: float) -> float:
    """How many of a job's images had ended at a moment; those that were cancelled never count."""
    done = job.counts.succeeded + job.counts.failed
    if job.started_at is None or moment <= job.started_at:
        return 0.0
    end = now if job.finished_at is None else job.finished_at
    return done * min(1.0, (moment - job.started_at) / max(end - job.started_at, 1e-3))


def _waiting(job: Job, moment: float, now: float) -> float:
    over = job.finished_at is not None and moment >= job.finished_at
    if over or moment < job.created_at:
        return 0.0
    return max(0.0, job.counts.total - job.counts.cancelled - _ended(job, moment, now))
