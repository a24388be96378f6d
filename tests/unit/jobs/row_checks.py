"""What must hold in every committed state, whatever happened: read from the rows alone."""

from collections import Counter
from dataclasses import asdict

from sqlalchemy import Row, select

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.jobs.repository import Repository
from shared.jobs.state import ITEM_STEPS, JOB_STEPS, ItemStatus, JobStatus
from tests.outcomes import RESULT

_REPAIRS = ("redo", "lose", "reopen")  # of `admin audit --repair`, which nothing here does
_ITEM_STEPS, _JOB_STEPS = (
    {(source, step.target) for event, step in steps.items() if event not in _REPAIRS for source in step.sources}
    for steps in (ITEM_STEPS, JOB_STEPS)
)


class Rows:
    """The rows of jobs, shards and items of one moment, by id, but for jobs that are on their way out."""

    def __init__(self, database: Database) -> None:
        with database.read() as connection:
            self.jobs, self.shards, self.items = (
                {row.id: row for row in connection.execute(select(table.__table__))}
                for table in (JobRow, ShardRow, ItemRow)
            )
        self.jobs = {job_id: row for job_id, row in self.jobs.items() if row.removal_started_at is None}


def check_rows(rows: Rows, *, max_attempts: int) -> None:
    """Assert what one state must keep."""
    of_shard: dict[str, Counter[str]] = {shard: Counter() for shard in rows.shards}
    for item in rows.items.values():
        of_shard[item.shard_id][item.state] += 1
        _check_item(item, max_attempts)
    of_job: dict[str, Counter[str]] = {job: Counter() for job in rows.jobs}
    for shard in rows.shards.values():
        counts = of_shard[shard.id]
        assert {state: getattr(shard, state) for state in ItemStatus} == {state: counts[state] for state in ItemStatus}
        assert shard.total == counts.total()
        of_job[shard.job_id] += counts
    for job in rows.jobs.values():
        counts = of_job[job.id]
        still_open = counts[ItemStatus.PENDING] + counts[ItemStatus.RUNNING]
        final = JobStatus(job.state).is_final
        assert not (final and still_open), f"a {job.state} job has {still_open} open items"
        assert final == (job.finished_at is not None)
        assert not final or job.sealed_at is not None
        if job.cancel_requested_at is not None:
            assert job.sealed_at is not None
        if job.state == JobStatus.SUCCEEDED:
            assert counts.total() == counts[ItemStatus.SUCCEEDED]
        if job.state == JobStatus.FAILED:
            assert counts.total() == counts[ItemStatus.FAILED]


def _check_item(item: Row, max_attempts: int) -> None:
    running, final = item.state == ItemStatus.RUNNING, ItemStatus(item.state).is_final
    claim = (item.token, item.lease_until)
    assert all(part is not None for part in claim) if running else claim == (None, None)
    assert not running or item.worker is not None
    unreadable = item.source_key is None and item.synthesis is None  # failed while submitting, was never in work
    assert (final and not unreadable) == (item.finished_at is not None)
    assert 0 <= item.attempts <= max_attempts
    assert item.attempts >= 1 or item.state not in (ItemStatus.RUNNING, ItemStatus.SUCCEEDED)
    failed, succeeded = item.state == ItemStatus.FAILED, item.state == ItemStatus.SUCCEEDED
    assert failed == (item.error_code is not None) == (item.error is not None)
    for column in RESULT:
        if succeeded:
            assert getattr(item, column) is not None, column
        elif not (column == "seconds" and failed):
            assert getattr(item, column) is None, column


def check_step(before: Rows, after: Rows, *, retried: str | None = None) -> None:
    """Assert that nothing moved but along the tables' steps, and that results stay.

    What is done between two looks may take an item two steps (a lease that ran out is freed, and the item claimed
    again). Final states change for the job that was retried alone.
    """
    for item_id, old in before.items.items():
        new = after.items[item_id]
        if old.state != new.state:
            two = {(a, d) for a, b in _ITEM_STEPS for c, d in _ITEM_STEPS if b == c}
            assert (old.state, new.state) in _ITEM_STEPS | two
        if ItemStatus(old.state).is_final and old.job_id != retried:
            assert new == old
        if old.state == ItemStatus.SUCCEEDED:
            assert new == old
    for job_id, old in before.jobs.items():
        new = after.jobs[job_id]
        if old.state != new.state:
            two = {(a, d) for a, b in _JOB_STEPS for c, d in _JOB_STEPS if b == c}
            assert (old.state, new.state) in _JOB_STEPS | two
        if JobStatus(old.state).is_final and job_id != retried:
            # Its failures are counted once, after its end.
            assert new._asdict() | {"tallied_end": None} == old._asdict() | {"tallied_end": None}
            assert new.tallied_end in (old.tallied_end, new.finished_at)


def check_reading(repository: Repository, rows: Rows) -> None:
    """Assert that the repository says what the rows say."""
    for job_id, job in rows.jobs.items():
        counts = Counter(item.state for item in rows.items.values() if item.job_id == job_id)
        said = repository.job(job_id)
        assert said.state == job.state
        assert asdict(said.counts) == {state.value: counts[state] for state in ItemStatus}
