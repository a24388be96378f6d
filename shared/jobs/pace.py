"""How long a job was really in work, and how fast: without idle time, and without what did not succeed."""

from dataclasses import dataclass

from sqlalchemy import Select, case, func, select

from shared.db.tables.jobs import ItemRow
from shared.jobs.records import Job
from shared.jobs.state import ItemStatus


def worked_seconds(job_id: str) -> Select[float]:
    """Return the query for how long at least one image of a job was in a worker's hands that succeeded there.

    That is the length of the union of the spans from claim to end. Pauses count for nothing, such as those before a
    retry, of a stack that is down, or of a claim that was lost. Null where no image has succeeded.
    """
    # One row for each claim's end, of which there are far fewer than images.
    spans = (
        select(func.min(ItemRow.claimed_at).label("begun"), ItemRow.finished_at.label("ended"))
        .where(
            ItemRow.job_id == job_id,
            ItemRow.state == ItemStatus.SUCCEEDED,
            ItemRow.claimed_at.is_not(None),
            ItemRow.finished_at.is_not(None),
        )
        .group_by(ItemRow.finished_at)
        .subquery()
    )
    before = func.max(spans.c.ended).over(order_by=(spans.c.begun, spans.c.ended), rows=(None, -1))
    reached = select(spans.c.begun, spans.c.ended, before.label("before")).subquery()
    begun = case((reached.c.before > reached.c.begun, reached.c.before), else_=reached.c.begun)
    new = case((reached.c.ended > begun, reached.c.ended - begun), else_=0.0)
    return select(func.sum(new)).select_from(reached)


@dataclass(frozen=True)
class Pace:
    """How fast a job is; None stands for not known."""

    seconds: float | None  # in work
    images_per_second: float | None  # that succeeded
    seconds_left: float | None


def worked_of(job: Job) -> float | None:
    """Return for how long a job was in work, as far as its row knows; None where that is not known.

    A worker of an earlier version notes when it ended alone.
    """
    if job.worked_seconds is not None or not job.counts.succeeded:
        return job.worked_seconds
    return None if None in (job.started_at, job.finished_at) else (job.finished_at or 0.0) - (job.started_at or 0.0)


def pace_of(job: Job, worked: float | None, *, rate: float | None = None) -> Pace:
    """Return the pace of a job that was in work for so long.

    Args:
        job: with its counts as they are now.
        worked: seconds, see `worked_seconds`.
        rate: images a second as they have lately been, 0 for a standstill; None: the mean of all that succeeded.
    """
    if rate is None:
        rate = job.counts.succeeded / worked if worked else 0.0
    goes_on = not job.state.is_final and job.sealed_at is not None and job.cancel_requested_at is None
    remaining = job.counts.pending + job.counts.running
    return Pace(worked, rate or None, remaining / rate if rate and goes_on else None)


def rate_text(images_per_second: float) -> str:
    """Return images a second as people read them, such as `1,234`, `12.3` or `0.075`; always of one unit."""
    if images_per_second >= 100:
        return f"{images_per_second:,.0f}"
    return f"{images_per_second:.1f}" if images_per_second >= 1 or not images_per_second else f"{images_per_second:.2g}"
