"""How well the last synthetic jobs did: the means of what was measured against their truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select

from shared.db.database import Database
from shared.db.tables.jobs import IS_SUCCEEDED, ItemRow
from shared.jobs.filters import JobFilter
from shared.jobs.listing import ids_page
from shared.jobs.reading import JobReader
from shared.jobs.records import Item, Job
from shared.jobs.state import JobKind

SCORED = 500
"""Images of a job whose scores are averaged, the first ones."""


@dataclass(frozen=True)
class Scores:
    """Mean scores of a job's first images, each from 0 to 1; `clean` is the Dice of those without noise.

    None where no image has the score: results from before it was measured, or none without noise.
    """

    images: int
    dice: float | None
    clean: float | None
    iou: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class Run:
    """A synthetic job, its scores as far as there are any, and its first image, which tells what was asked for."""

    job: Job
    scores: Scores | None
    first: Item | None


def last_runs(database: Database, reader: JobReader, *, limit: int) -> list[Run]:
    """Return the last synthetic jobs, the newest first."""
    ids = ids_page(database, JobFilter(kind=JobKind.SYNTHETIC), limit=limit).ids
    scores = _scores(database, ids)
    return [
        Run(job, scores.get(job.id), next(iter(reader.items(job.id, limit=1)), None)) for job in reader.jobs_of(ids)
    ]


def _scores(database: Database, job_ids: Sequence[str]) -> dict[str, Scores]:
    columns = ItemRow.__table__.c
    dice = columns["dice"]
    is_clean = ItemRow.synthesis["severity"].as_float() == 0.0
    query = (
        select(
            ItemRow.job_id,
            func.count(dice),
            func.avg(dice),
            func.avg(case((is_clean, dice))),
            *(func.avg(columns[name]) for name in ("iou", "precision", "recall")),
        )
        .where(ItemRow.job_id.in_(job_ids), IS_SUCCEEDED, ItemRow.number < SCORED, dice.is_not(None))
        .group_by(ItemRow.job_id)
    )
    with database.read() as connection:
        return {job_id: Scores(*values) for job_id, *values in connection.execute(query)}
