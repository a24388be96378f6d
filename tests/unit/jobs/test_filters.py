import pytest
from sqlalchemy import delete, select, update

from shared.db.database import Database
from shared.db.tables.jobs import FailureCountRow, JobRow, ShardRow
from shared.errors import ItemErrorCode
from shared.jobs.claims import Claims
from shared.jobs.filters import JobFilter, JobSort
from shared.jobs.listing import count_jobs, ids_page
from shared.jobs.records import Failure
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind, JobStatus
from shared.upkeep.tally import tally
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob


def listed(database: Database, wanted: JobFilter, sort: JobSort = JobSort.NEWEST) -> list[str]:
    return ids_page(database, wanted, sort=sort, limit=100).ids


def fail(repository: Repository, claims: Claims, make_job: MakeJob, *codes: ItemErrorCode) -> str:
    """A job of an image for each code, and one that succeeds."""
    job, [shard] = make_job(len(codes) + 1)
    claim = claims.claim(shard, worker="w")
    assert claim is not None
    failures = [Failure(item.id, code, "no", seconds=0.1) for item, code in zip(claim.items, codes, strict=False)]
    claims.complete(claim, [*failures, *all_succeed(claim)[len(codes) :]])
    repository.close_if_finished(job)
    return job


def test_each_filter_finds_its_jobs_alone(database: Database, repository: Repository, make_job: MakeJob) -> None:
    first, _ = make_job(1, name="Liver 50%")
    second = repository.create_job(JobKind.SYNTHETIC, name="sweep", submitted_by="ana (web)")
    third = repository.create_job(JobKind.IMAGES, name="x_y", submitted_by="bea@studio")
    repository.cancel(third)
    with database.write() as connection:
        for job, at in ((first, 100.0), (second, 200.0), (third, 300.0)):
            connection.execute(update(JobRow).where(JobRow.id == job).values(created_at=at))
    for wanted, found in {
        JobFilter(): [third, second, first],
        JobFilter(states=(JobStatus.QUEUED,)): [second, first],
        JobFilter(kind=JobKind.SYNTHETIC): [second],
        JobFilter(owner="ana"): [second],
        JobFilter(owner="bea"): [third],
        JobFilter(owner="an"): [],
        JobFilter(since=200.0): [third, second],
        JobFilter(since=100.0, until=300.0): [second, first],
        JobFilter(text="LIVER"): [first],
        JobFilter(text="50%"): [first],
        JobFilter(text="%"): [first],
        JobFilter(text="_"): [third],
        JobFilter(text="studio"): [third],
        JobFilter(text=first[-12:]): [first],
        JobFilter(model="own"): [third, second, first],
        JobFilter(model="abcd"): [],
        JobFilter(states=(JobStatus.QUEUED,), owner="ana", text="sw"): [second],
    }.items():
        assert listed(database, wanted) == found, wanted
        assert JobFilter.of_json(wanted.as_json()) == wanted
        assert count_jobs(database, wanted) == (len(found), False)


def test_a_cause_is_found_before_and_after_it_was_counted(
    database: Database, repository: Repository, claims: Claims, make_job: MakeJob
) -> None:
    one = fail(repository, claims, make_job, ItemErrorCode.TRUNCATED)
    both = fail(repository, claims, make_job, ItemErrorCode.TRUNCATED, ItemErrorCode.TOO_SMALL)
    expected = {ItemErrorCode.TRUNCATED: [both, one], ItemErrorCode.TOO_SMALL: [both], ItemErrorCode.INTERNAL: []}

    def found() -> dict[ItemErrorCode, list[str]]:
        return {code: listed(database, JobFilter(cause=code)) for code in expected}

    assert found() == expected
    assert tally(database) == 2
    assert tally(database) == 0
    assert found() == expected
    repository.retry(both)  # what was counted of the end before does not count for a job that is open again
    assert found() == {code: [job for job in jobs if job != both] for code, jobs in expected.items()}


def test_counts_of_causes_are_those_of_the_latest_end(
    database: Database, repository: Repository, claims: Claims, make_job: MakeJob
) -> None:
    job = fail(repository, claims, make_job, ItemErrorCode.TRUNCATED)
    tally(database)
    repository.retry(job)
    claim = claims.claim(_shard_of(database, job), worker="w")
    assert claim is not None
    claims.complete(claim, all_succeed(claim))
    repository.close_if_finished(job)
    assert tally(database) == 1
    assert listed(database, JobFilter(cause=ItemErrorCode.TRUNCATED)) == []
    with database.write() as connection:
        assert connection.execute(delete(FailureCountRow)).rowcount == 0


@pytest.mark.parametrize("sort", JobSort)
def test_pages_of_every_order_lead_there_and_back(database: Database, repository: Repository, sort: JobSort) -> None:
    jobs = [
        repository.create_job(JobKind.IMAGES, name=f"n{number % 3}", submitted_by="ana (web)", priority=number % 2)
        for number in range(11)
    ]
    with database.write() as connection:
        for number, job in enumerate(jobs):
            connection.execute(update(JobRow).where(JobRow.id == job).values(finished_at=float(number % 4)))
    order = {
        JobSort.NEWEST: lambda n: -n,
        JobSort.OLDEST: lambda n: n,
        JobSort.ENDED: lambda n: (-(n % 4), -n),
        JobSort.NAME: lambda n: (n % 3, n),
        JobSort.PRIORITY: lambda n: (-(n % 2), -n),
    }[sort]
    expected = [jobs[number] for number in sorted(range(11), key=order)]
    seen, cursors, newer = [], [None], []
    while True:
        page = ids_page(database, JobFilter(), sort=sort, before=cursors[-1], limit=4)
        seen += page.ids
        newer.append(page.newer)
        if page.older is None:
            break
        cursors.append(page.older)
    assert seen == expected
    assert newer == [None, "", cursors[1]]


def _shard_of(database: Database, job: str) -> str:
    with database.read() as connection:
        return connection.execute(select(ShardRow.id).where(ShardRow.job_id == job)).scalar_one()
