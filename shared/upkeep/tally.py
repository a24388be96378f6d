"""Why images failed, counted once for each job that has ended: what lists over all jobs ask.

A job is due while its counts are not those of its latest end. So a retry needs to undo nothing, and what an
interruption or an older version left out is done in the next round.
"""

from sqlalchemy import delete, func, insert, literal, select, update

from shared.db.database import Database
from shared.db.tables.jobs import HAS_ENDED, HAS_FAILED, UNTALLIED, FailureCountRow, ItemRow, JobRow

_JOBS_A_STEP = 50


def tally(database: Database) -> int:
    """Count the failures of some jobs that have ended since they were last counted; return how many jobs."""
    due = select(JobRow.id).where(HAS_ENDED, UNTALLIED).limit(_JOBS_A_STEP)
    with database.read() as connection:
        jobs = connection.execute(due).scalars().all()
    for job_id in jobs:
        _tally(database, job_id)
    return len(jobs)


def _tally(database: Database, job_id: str) -> None:
    counts = (
        select(literal(job_id), ItemRow.error_code, func.count())
        .where(ItemRow.job_id == job_id, HAS_FAILED, ItemRow.error_code.is_not(None))
        .group_by(ItemRow.error_code)
    )
    with database.write() as connection:
        # Under the lock that a retry takes too.
        lock = select(JobRow.finished_at).where(JobRow.id == job_id, HAS_ENDED).with_for_update()
        ended = connection.execute(lock).scalar_one_or_none()
        if ended is None:
            return
        connection.execute(delete(FailureCountRow).where(FailureCountRow.job_id == job_id))
        connection.execute(insert(FailureCountRow).from_select(["job_id", "code", "count"], counts))
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(tallied_end=ended))
