"""Submissions: one job each, taken anew where a file changed, ended where nobody goes on."""

import time

import pytest
from sqlalchemy import update

from shared.db.database import Database, db_now
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.errors import JobNotFound, Outrun, UsageError
from shared.jobs.claims import Claims
from shared.jobs.records import FileVersion, NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, JobKind, JobStatus
from shared.store import keys
from shared.store.memory import MemoryStore
from shared.upkeep.audit import audit
from shared.upkeep.retention import Retention, RetentionRules
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob

HOUR, DAY = 3600.0, 86400.0


def make(repository: Repository, key: str | None = None) -> str:
    return repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", submission_key=key)


def item(path: str, modified: int | None = None) -> NewItem:
    return NewItem(id=new_id(), path=path, source_key=path, source_bytes=3, source_modified=modified)


def quiet(database: Database, job_id: str, seconds: float) -> None:
    with database.write() as connection:
        connection.execute(
            update(JobRow).where(JobRow.id == job_id).values(submission_seen_at=db_now() - seconds, created_at=0.0)
        )


def test_a_submission_is_one_job_until_it_is_sealed(repository: Repository) -> None:
    first = make(repository, "key")
    with pytest.raises(Outrun):
        make(repository, "key")
    assert make(repository, "other") != first
    assert len({make(repository), make(repository)}) == 2  # without a key
    repository.seal(first)
    assert repository.unsealed_job("key") is None
    second = make(repository, "key")
    repository.cancel(second)
    assert make(repository, "key") not in (first, second)


def test_what_another_has_completed_is_outrun_and_what_is_cancelled_is_not(repository: Repository) -> None:
    job_id = make(repository)
    repository.seal(job_id)
    with pytest.raises(Outrun):
        repository.add_shard(job_id, [item("a")])
    cancelled = make(repository)
    repository.cancel(cancelled)
    with pytest.raises(UsageError) as caught:
        repository.add_shard(cancelled, [item("a")])
    assert not isinstance(caught.value, Outrun)


def test_a_changed_file_takes_the_place_of_what_it_was(repository: Repository, claims: Claims) -> None:
    job_id = make(repository)
    shard_id = repository.add_shard(job_id, [item("a", 1), item("b", 1), item("c", 1)])
    claim = claims.claim(shard_id, worker="w")
    assert claim is not None
    repository.add_shard(job_id, [item("b", 2), item("d", 1)], replaces={"b"})
    assert repository.known_files(job_id, ["b", "c", "x"]) == {"b": FileVersion(3, 2), "c": FileVersion(3, 1)}
    assert repository.job(job_id).counts == ItemCounts(running=2, pending=2)
    claims.complete(claim, all_succeed(claim))  # the old "b" among them
    repository.seal(job_id)
    job = repository.job(job_id)
    assert (job.counts, job.state) == (ItemCounts(succeeded=2, pending=2), JobStatus.RUNNING)
    assert [found.path for found in repository.items(job_id, limit=9)] == ["a", "c", "b", "d"]


def test_a_cancel_before_all_is_uploaded_never_succeeds(repository: Repository, claims: Claims) -> None:
    job_id = make(repository)
    claim = claims.claim(repository.add_shard(job_id, [item("a")]), worker="w")
    assert claim is not None
    claims.complete(claim, all_succeed(claim))
    job = repository.cancel(job_id)
    assert (job.state, job.counts, job.upload_words) == (
        JobStatus.CANCELLED, ItemCounts(succeeded=1), "upload never finished"
    )  # fmt: skip


def test_a_submission_that_nobody_goes_on_with_ends_as_cancelled(
    database: Database, repository: Repository, claims: Claims
) -> None:
    job_id, alive = make(repository, "key"), make(repository)
    claim = claims.claim(repository.add_shard(job_id, [item("a"), item("b")]), worker="w")
    assert claim is not None
    claims.complete(claim, all_succeed(claim))
    repository.add_shard(job_id, [item("c")])
    quiet(database, job_id, 90.0)
    assert repository.job(job_id).upload_words == "upload stopped 2 min ago"
    assert repository.job(alive).upload_words == "still uploading"
    assert repository.end_abandoned(after=DAY) == 0
    quiet(database, job_id, DAY + 60)
    assert repository.job(job_id).upload_words == "upload stopped 24 h ago"
    assert repository.end_abandoned(after=DAY) == 1
    assert repository.job(job_id).state is JobStatus.CANCELLED
    assert repository.job(job_id).counts == ItemCounts(succeeded=2, cancelled=1)
    assert repository.job(alive).state is JobStatus.QUEUED
    assert repository.unsealed_job("key") is None


def test_somebody_who_uploads_is_seen(database: Database, repository: Repository) -> None:
    for sign in (repository.keep_alive, lambda job_id: repository.add_shard(job_id, [item("a")])):
        job_id = make(repository)
        quiet(database, job_id, DAY)
        assert repository.job(job_id).upload_stopped
        sign(job_id)
        assert not repository.job(job_id).upload_stopped


def test_an_empty_submission_is_discarded_after_an_hour_and_its_objects_go_with_it(
    database: Database, repository: Repository
) -> None:
    store = MemoryStore("test")
    job_id = make(repository)
    store.put(keys.source(job_id, new_id(), ".png"), b"killed before its row")
    quiet(database, job_id, HOUR / 2)
    assert repository.end_abandoned(after=DAY) == 0
    quiet(database, job_id, HOUR + 1)
    assert repository.end_abandoned(after=DAY) == 1
    with pytest.raises(JobNotFound):
        repository.job(job_id)
    retention = Retention(database, store, RetentionRules(tidy_after=0.0))
    while retention.step():
        pass
    assert len(list(store.list("jobs/"))) == 1  # what was on its way may still arrive
    assert audit(database, store, grace=0.0).is_clean
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(removal_started_at=db_now()))
    while retention.step():
        pass
    assert list(store.list("jobs/")) == []
    with database.read() as connection:
        assert connection.execute(update(JobRow).where(JobRow.id == job_id).values(name="x")).rowcount == 0


def test_an_awaited_job_is_found_until_its_command_has_seen_its_end(repository: Repository, claims: Claims) -> None:
    job_id = make(repository, "key")
    claim = claims.claim(repository.add_shard(job_id, [item("a")]), worker="w")
    assert claim is not None
    repository.seal(job_id)
    assert repository.awaited_job("key", within=0.0) is None  # nobody waits
    assert repository.awaited_job("key", within=HOUR) == job_id  # begun twice at once
    repository.await_end(job_id, waits=True)
    assert repository.awaited_job("key", within=0.0) == job_id
    claims.complete(claim, all_succeed(claim))
    repository.close_finished()
    assert repository.awaited_job("key", within=0.0) == job_id  # ended, and its command does not know
    repository.await_end(job_id, waits=False)
    assert repository.awaited_job("key", within=0.0) is None


def test_time_in_work_is_without_pauses_and_without_what_did_not_succeed(
    database: Database, repository: Repository, make_job: MakeJob
) -> None:
    job_id, _ = make_job(5)
    assert repository.worked_seconds(repository.job(job_id)) is None
    now = time.time()
    # Two that overlap, one within them, a pause, one more; and one that failed.
    spans = [
        (0, 10, "succeeded"),
        (5, 12, "succeeded"),
        (6, 8, "succeeded"),
        (100, 103, "succeeded"),
        (20, 90, "failed"),
    ]
    with database.write() as connection:
        for number, (begun, ended, state) in enumerate(spans):
            values = {"claimed_at": now + begun, "finished_at": now + ended, "state": state}
            connection.execute(
                update(ItemRow).where(ItemRow.job_id == job_id, ItemRow.number == number).values(**values)
            )
        connection.execute(update(ShardRow).values(pending=0, succeeded=4, failed=1))
    assert repository.worked_seconds(repository.job(job_id)) == pytest.approx(15.0, abs=1e-3)
    repository.close_finished()
    job = repository.job(job_id)
    assert job.worked_seconds == repository.worked_seconds(job) == pytest.approx(15.0, abs=1e-3)
