import pytest
from sqlalchemy import select, update

from shared.db.database import Database
from shared.db.events import Actor, EventFilter, EventKind, EventSource, events
from shared.db.tables.actions import BulkActionRow
from shared.db.tables.base import new_id
from shared.db.tables.jobs import JobRow, ShardRow
from shared.errors import ItemErrorCode, Outrun, UsageError
from shared.jobs import bulk_actions, retries
from shared.jobs.bulk_actions import BulkKind, BulkOrder, BulkState
from shared.jobs.claims import Claims
from shared.jobs.filters import JobFilter
from shared.jobs.records import Failure, Priority
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, JobKind, JobStatus
from shared.upkeep import bulk
from shared.upkeep.bulk import BulkRunner
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob

ANA = Actor("ana", EventSource.PAGE)
AWAY, SMALL = ItemErrorCode.SOURCE_MISSING, ItemErrorCode.TOO_SMALL


@pytest.fixture
def runner(repository: Repository) -> BulkRunner:
    return BulkRunner(repository)


@pytest.fixture
def failed_job(repository: Repository, claims: Claims, make_job: MakeJob):
    """Make a job of several shards of three images, of each of which the first two failed with these codes."""

    def make(*codes: ItemErrorCode, shards: int = 1) -> str:
        job, ids = make_job(*[3] * shards)
        for shard in ids:
            claim = claims.claim(shard, worker="w")
            assert claim is not None
            failures = [
                Failure(item.id, code, "no", seconds=0.1) for item, code in zip(claim.items, codes, strict=False)
            ]
            claims.complete(claim, [*failures, *all_succeed(claim)[len(codes) :]])
        repository.close_if_finished(job)
        return job

    return make


def finish(runner: BulkRunner, bulk_id: str) -> bulk_actions.BulkAction:
    for _ in range(100):
        runner.round()
        found = bulk_actions.bulk_action(runner._database, bulk_id)
        if found.finished_at is not None:
            return found
    raise AssertionError(f"{found} does not end")


def test_a_cause_is_retried_over_all_jobs(
    database: Database, repository: Repository, runner: BulkRunner, failed_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_SHARDS_AT_ONCE", 2)
    monkeypatch.setattr(bulk, "_JOBS_AT_ONCE", 2)
    both = [failed_job(AWAY, SMALL, shards=5) for _ in range(3)]
    other = failed_job(SMALL)
    order = BulkOrder(BulkKind.RETRY, filter=JobFilter(cause=AWAY), codes=[AWAY])
    asked = bulk_actions.ask(database, order, by=ANA)
    assert (asked.state, asked.matched, asked.matched_more) == (BulkState.WAITING, 3, False)
    late = failed_job(AWAY)  # not there when it was asked for
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == late).values(created_at=asked.made_at + 1))
    done = finish(runner, asked.id)
    assert (done.state, done.jobs_done, done.jobs_skipped, done.items_done) == (BulkState.DONE, 3, 0, 15)
    for job in both:
        assert repository.job(job).counts == ItemCounts(pending=5, failed=5, succeeded=5)
        assert repository.job(job).state is JobStatus.QUEUED
        told = events(database, EventFilter(job_id=job, kind=EventKind.RETRIED), limit=9)
        assert [(event.actor, event.bulk_id, event.detail) for event in told] == [
            ("ana", asked.id, "failed with source_missing")
        ]
    assert repository.job(other).state is repository.job(late).state is JobStatus.PARTIAL
    assert len(events(database, EventFilter(kind=EventKind.BULK_BEGUN), limit=9)) == 1


def test_a_retry_that_was_interrupted_goes_on_and_the_job_does_not_end_before(
    database: Database, repository: Repository, claims: Claims, failed_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_SHARDS_AT_ONCE", 2)
    monkeypatch.setattr(retries, "GO_ON_SECONDS", -1.0)
    job = failed_job(AWAY, shards=5)
    assert repository.retry(job).counts.pending == 2
    # Workers are faster than the retry.
    for shard in shards_of(database, job)[:2]:
        claim = claims.claim(shard, worker="w")
        assert claim is not None
        claims.complete(claim, all_succeed(claim))
    assert repository.close_if_finished(job) is None
    assert repository.close_finished() == 0
    monkeypatch.setattr(retries, "GO_ON_SECONDS", 60.0)
    retries.go_on_with_all(database)
    assert repository.job(job).counts == ItemCounts(pending=3, succeeded=12)
    for shard in shards_of(database, job)[2:]:
        claim = claims.claim(shard, worker="w")
        assert claim is not None
        claims.complete(claim, all_succeed(claim))
    assert repository.close_if_finished(job) is JobStatus.SUCCEEDED


def test_a_job_that_is_cancelled_while_it_is_put_back_stays_cancelled(
    database: Database, repository: Repository, failed_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_SHARDS_AT_ONCE", 2)
    monkeypatch.setattr(retries, "GO_ON_SECONDS", -1.0)
    job = failed_job(AWAY, shards=5)
    repository.retry(job)
    assert repository.cancel(job).state is JobStatus.CANCELLED
    monkeypatch.setattr(retries, "GO_ON_SECONDS", 60.0)
    retries.go_on_with_all(database)
    assert repository.job(job).counts == ItemCounts(failed=3, cancelled=2, succeeded=10)


def test_a_retry_of_what_did_not_happen_is_refused(repository: Repository, failed_job) -> None:
    job = failed_job(SMALL)
    with pytest.raises(UsageError, match="nothing of what failed with source_missing"):
        repository.retry(job, codes=[AWAY])
    assert repository.job(job).state is JobStatus.PARTIAL


def test_what_a_state_does_not_allow_is_left_out_and_counted(
    database: Database, repository: Repository, runner: BulkRunner, make_job: MakeJob, failed_job
) -> None:
    ended, (opened, _), gone = failed_job(SMALL), make_job(1), new_id()

    def done(kind: BulkKind, **options) -> tuple[int, int]:
        asked = bulk_actions.ask(database, BulkOrder(kind, jobs=[opened, ended, gone], **options), by=ANA)
        found = finish(runner, asked.id)
        return found.jobs_done, found.jobs_skipped

    assert done(BulkKind.PRIORITY, priority=Priority.HIGH) == (1, 1)
    assert repository.job(opened).priority == Priority.HIGH
    assert done(BulkKind.RETRY) == (1, 1)
    assert done(BulkKind.CANCEL) == (2, 0)
    assert done(BulkKind.DELETE) == (2, 0)
    assert repository.jobs(limit=9) == []
    assert len(events(database, EventFilter(kind=EventKind.DELETED), limit=9)) == 2


def test_jobs_are_cloned_once_with_what_is_to_be_another(
    database: Database, repository: Repository, runner: BulkRunner, make_job: MakeJob, failed_job
) -> None:
    ended, (opened, _) = failed_job(SMALL, shards=2), make_job(2)
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == ended).values(threshold=0.25, priority=Priority.HIGH))
    begun = repository.create_job(JobKind.IMAGES, name="open", submitted_by="ana")
    order = BulkOrder(BulkKind.CLONE, filter=JobFilter(), changes={"scale": 0.5})
    asked = bulk_actions.ask(database, order, by=ANA)
    stale = bulk_actions.bulk_action(database, asked.id)
    done = finish(runner, asked.id)
    assert (done.jobs_done, done.jobs_skipped, done.changes) == (2, 1, {"scale": 0.5})
    made = {job.inputs_of: job for job in repository.jobs(limit=9) if job.inputs_of}
    assert set(made) == {ended, opened}
    clone = made[ended]
    assert (clone.threshold, clone.scale, clone.priority, clone.submitted_by) == (0.25, 0.5, Priority.HIGH, "ana (web)")
    assert (clone.counts.total, len(shards_of(database, clone.id)), clone.sealed_at is None) == (6, 2, False)
    assert events(database, EventFilter(job_id=clone.id), limit=2)[0].bulk_id == asked.id
    # A second one that was at the same job leaves no clone that does anything.
    with pytest.raises(Outrun):
        runner._do(stale, ended)
    left = [
        job for job in repository.jobs(limit=9) if job.inputs_of and job.id not in {each.id for each in made.values()}
    ]
    assert [(job.inputs_of, job.state) for job in left] == [(ended, JobStatus.CANCELLED)]
    assert repository.job(begun).inputs_of is None


def test_an_action_is_aborted_between_two_jobs(
    database: Database, repository: Repository, runner: BulkRunner, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [make_job(1)[0] for _ in range(4)]
    asked = bulk_actions.ask(database, BulkOrder(BulkKind.CANCEL, filter=JobFilter()), by=ANA)
    monkeypatch.setattr(bulk, "_SECONDS_A_ROUND", 0.0)
    monkeypatch.setattr(bulk, "_JOBS_AT_ONCE", 1)
    runner._slice(asked.id, 0.0)
    stopped = bulk_actions.abort(database, asked.id, by=ANA)
    assert (stopped.state, stopped.jobs_done) == (BulkState.RUNNING, 1)
    runner._slice(asked.id, 0.0)
    assert bulk_actions.bulk_action(database, asked.id).state is BulkState.ABORTED
    assert [repository.job(job).state for job in jobs] == [JobStatus.CANCELLED] + [JobStatus.QUEUED] * 3
    bulk_actions.abort(database, asked.id, by=ANA)  # again: it has stopped
    for wrong in (new_id(), bulk_actions.ask(database, BulkOrder(BulkKind.CANCEL, jobs=jobs[:1]), by=ANA).id):
        monkeypatch.setattr(bulk, "_SECONDS_A_ROUND", 60.0)
        runner.round()
        with pytest.raises(UsageError):
            bulk_actions.abort(database, wrong, by=ANA)


def test_two_that_do_the_same_action_count_each_job_once(
    database: Database, repository: Repository, runner: BulkRunner, make_job: MakeJob
) -> None:
    first, _ = (make_job(1)[0] for _ in range(2))
    asked = bulk_actions.ask(database, BulkOrder(BulkKind.CANCEL, filter=JobFilter()), by=ANA)
    stale = bulk_actions.bulk_action(database, asked.id)
    BulkRunner(repository)._do(stale, first)
    with pytest.raises(UsageError, match="another reconciler"):
        _count(database, runner, stale, first)
    assert finish(runner, asked.id).jobs_done == 2


@pytest.mark.parametrize(
    "order",
    [
        {"kind": BulkKind.CANCEL},
        {"kind": BulkKind.CANCEL, "jobs": ["a"], "filter": JobFilter()},
        {"kind": BulkKind.CANCEL, "jobs": []},
        {"kind": BulkKind.CANCEL, "jobs": ["a"] * 1001},
        {"kind": BulkKind.PRIORITY, "jobs": ["a"]},
        {"kind": BulkKind.DELETE, "jobs": ["a"], "priority": 1},
        {"kind": BulkKind.DELETE, "jobs": ["a"], "codes": ["truncated"]},
        {"kind": BulkKind.CANCEL, "jobs": ["a"], "changes": {}},
        {"kind": BulkKind.CLONE, "jobs": ["a"], "changes": {"scale": 9}},
        {"kind": BulkKind.CLONE, "jobs": ["a"], "changes": {"threshold": 1}},
    ],
)
def test_what_is_no_order_is_refused_in_a_line(order) -> None:
    with pytest.raises(UsageError):
        BulkOrder(**order)


def shards_of(database: Database, job: str) -> list[str]:
    with database.read() as connection:
        query = select(ShardRow.id).where(ShardRow.job_id == job).order_by(ShardRow.number)
        return list(connection.execute(query).scalars())


def _count(database: Database, runner: BulkRunner, action: bulk_actions.BulkAction, job: str) -> None:
    with database.write() as connection:
        runner._count(connection, action, job, done=1)


def test_an_action_that_cannot_be_read_holds_up_no_other(
    database: Database, runner: BulkRunner, failed_job, caplog: pytest.LogCaptureFixture
) -> None:
    job = failed_job(AWAY)
    broken, other = (bulk_actions.ask(database, BulkOrder(BulkKind.DELETE, jobs=[job]), by=ANA) for _ in range(2))
    with database.write() as connection:
        of_broken = update(BulkActionRow).where(BulkActionRow.id == broken.id)
        connection.execute(of_broken.values(selection={"filter": {"states": ["of a later version"]}}))
    assert finish(runner, other.id).jobs_done == 1
    runner.round()
    assert bulk_actions.bulk_action(database, broken.id).state is BulkState.WAITING
    assert [record.levelname for record in caplog.records if "defect" in record.message] == ["ERROR"]


def test_the_oldest_actions_come_first(
    database: Database, runner: BulkRunner, failed_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_AT_ONCE", 1)
    job = failed_job(AWAY)
    first, second = (bulk_actions.ask(database, BulkOrder(BulkKind.DELETE, jobs=[job]), by=ANA) for _ in range(2))
    runner.round()
    states = [bulk_actions.bulk_action(database, each.id).state for each in (first, second)]
    assert states == [BulkState.DONE, BulkState.WAITING]
