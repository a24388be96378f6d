import pytest
from sqlalchemy import update

from shared.db.database import Database, db_now
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ShardRow
from shared.errors import IllegalTransition, ItemErrorCode, JobNotFound, UsageError
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, ItemStatus, JobKind, JobStatus
from tests.outcomes import all_succeed, failure, success
from tests.unit.conftest import MakeJob


def finish(claims: Claims, shard_id: str, failing: int = 0) -> None:
    claim = claims.claim(shard_id, worker="w")
    assert claim is not None
    outcomes = [failure(item.id) if n < failing else success(item.id) for n, item in enumerate(claim.items)]
    claims.complete(claim, outcomes)


@pytest.mark.parametrize(
    ("failing", "state"), [(0, JobStatus.SUCCEEDED), (1, JobStatus.PARTIAL), (2, JobStatus.FAILED)]
)
def test_a_job_ends_as_its_items_did(
    claims: Claims, repository: Repository, make_job: MakeJob, failing: int, state: JobStatus
) -> None:
    job_id, (shard_id,) = make_job(2)
    assert repository.close_if_finished(job_id) is None
    finish(claims, shard_id, failing)
    assert repository.close_finished() == 1
    job = repository.job(job_id)
    assert (job.state, job.counts.finished) == (state, 2)
    assert job.finished_at is not None
    assert repository.close_finished() == 0


def test_an_unsealed_job_goes_on(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(2, seal=False)
    finish(claims, shard_id)
    assert repository.close_finished() == 0
    repository.seal(job_id)  # closes it by itself
    assert repository.job(job_id).state is JobStatus.SUCCEEDED


def test_files_that_failed_while_submitting_are_counted_and_kept(repository: Repository) -> None:
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t")
    bad = NewItem(id=new_id(), path="p", error_code=ItemErrorCode.UNREADABLE, error="no permission")
    repository.add_shard(job_id, [bad])
    repository.seal(job_id)
    job = repository.job(job_id)
    assert (job.state, job.counts) == (JobStatus.FAILED, ItemCounts(failed=1))
    with pytest.raises(UsageError, match="never uploaded"):
        repository.retry(job_id)


def test_a_sealed_or_cancelled_job_takes_no_more(repository: Repository, make_job: MakeJob) -> None:
    sealed, _ = make_job(1)
    cancelled, _ = make_job(1, seal=False)
    repository.cancel(cancelled)
    for job_id in (sealed, cancelled, new_id()):
        with pytest.raises(UsageError, match="no more images"):
            repository.add_shard(job_id, [NewItem(id=new_id(), path="late.png", source_key="k")])


def test_one_path_is_taken_once(repository: Repository, make_job: MakeJob) -> None:
    job_id, _ = make_job(2, seal=False)
    with pytest.raises(UsageError, match="twice"):
        repository.add_shard(job_id, [NewItem(id=new_id(), path="0/1.png", source_key="k")])
    assert repository.job(job_id).counts.total == 2
    assert set(repository.known_files(job_id, ["0/1.png", "new.png"])) == {"0/1.png"}


def test_an_interrupted_submission_is_found_until_it_is_sealed(repository: Repository) -> None:
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", submission_key="key")
    assert repository.unsealed_job("key") == job_id
    assert repository.unsealed_job("other") is None
    repository.seal(job_id)
    assert repository.unsealed_job("key") is None


def test_only_an_empty_job_is_discarded(repository: Repository, make_job: MakeJob) -> None:
    empty = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t")
    filled, _ = make_job(1, seal=False)
    repository.discard_empty(empty)
    repository.discard_empty(filled)
    with pytest.raises(JobNotFound):
        repository.job(empty)
    assert repository.job(filled).counts.total == 1


def test_retry_opens_what_did_not_succeed(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(3)
    finish(claims, shard_id, failing=2)
    repository.close_finished()
    job = repository.retry(job_id)
    assert (job.state, job.counts, job.finished_at) == (JobStatus.QUEUED, ItemCounts(pending=2, succeeded=1), None)
    claim = claims.claim(shard_id, worker="w")
    assert claim is not None
    assert [item.attempts for item in claim.items] == [1, 1]
    claims.complete(claim, all_succeed(claim))
    assert repository.close_if_finished(job_id) is JobStatus.SUCCEEDED
    assert {item.error for item in repository.items(job_id, limit=10)} == {None}


def test_what_failed_in_a_running_job_is_tried_again_at_once(
    claims: Claims, repository: Repository, make_job: MakeJob, database: Database
) -> None:
    job_id, (first, second) = make_job(3, 2)
    finish(claims, first, failing=2)
    with database.write() as connection:  # the other shard rests, and goes on resting
        connection.execute(update(ShardRow).where(ShardRow.id == second).values(not_before=db_now() + 60))
    codes = [ItemErrorCode(item.error_code) for item in repository.items(job_id, limit=9) if item.error_code]
    with pytest.raises(UsageError, match="nothing of what failed with too_large"):
        repository.retry(job_id, codes=[ItemErrorCode.TOO_LARGE])
    job = repository.retry(job_id, codes=codes)
    assert (job.state, job.counts) == (JobStatus.RUNNING, ItemCounts(pending=4, succeeded=1))
    assert job.started_at is not None
    with pytest.raises(IllegalTransition, match="cannot retry a running job: nothing in it has failed so far"):
        repository.retry(job_id)
    assert claims.claim(second, worker="w") is None
    claim = claims.claim(first, worker="w")
    assert claim is not None
    assert [item.attempts for item in claim.items] == [1, 1]
    claims.complete(claim, all_succeed(claim))
    assert repository.close_if_finished(job_id) is None


def test_a_job_that_is_being_cancelled_is_not_retried(
    claims: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (first, second) = make_job(1, 1)
    finish(claims, first, failing=1)
    assert claims.claim(second, worker="w") is not None
    repository.cancel(job_id)
    with pytest.raises(IllegalTransition, match="cannot retry a running job: it is being cancelled"):
        repository.retry(job_id)


def test_a_cancelled_job_can_be_retried(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(2)
    assert repository.cancel(job_id).state is JobStatus.CANCELLED
    assert repository.retry(job_id).counts == ItemCounts(pending=2)
    finish(claims, shard_id)
    assert repository.close_if_finished(job_id) is JobStatus.SUCCEEDED


def test_a_cancel_of_a_large_job_ends_in_the_reconcilers_rounds(
    repository: Repository, claims: Claims, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.repository._CANCELLED_AT_ONCE", 2)
    monkeypatch.setattr("shared.jobs.repository._CANCEL_SECONDS", 0.0)
    job_id, shard_ids = make_job(1, 1, 1, 1, 1)
    job = repository.cancel(job_id)
    assert (job.state, job.counts) == (JobStatus.QUEUED, ItemCounts(pending=3, cancelled=2))
    assert claims.claim(shard_ids[-1], worker="w") is None  # which ends what it would have taken
    monkeypatch.setattr("shared.jobs.repository._CANCEL_SECONDS", 60.0)
    assert repository.close_finished() == 1
    job = repository.job(job_id)
    assert (job.state, job.counts) == (JobStatus.CANCELLED, ItemCounts(cancelled=5))


def test_illegal_steps_are_refused(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(1)
    with pytest.raises(IllegalTransition, match="cannot retry a queued job"):
        repository.retry(job_id)
    finish(claims, shard_id)
    repository.close_finished()
    with pytest.raises(IllegalTransition, match="cannot cancel a succeeded job"):
        repository.cancel(job_id)
    with pytest.raises(JobNotFound, match="producer status"):
        repository.cancel(new_id())


def test_the_kind_of_a_job(repository: Repository, make_job: MakeJob) -> None:
    assert repository.kind(make_job(1)[0]) is JobKind.IMAGES
    with pytest.raises(JobNotFound, match="producer status"):
        repository.kind(new_id())


def test_jobs_are_paged_newest_first(repository: Repository, make_job: MakeJob) -> None:
    made = [make_job(1)[0] for _ in range(5)]
    first = repository.jobs(limit=3)
    second = repository.jobs(limit=3, before=first[-1].id)
    assert [job.id for job in first + second] == made[::-1]
    assert {job.counts.total for job in first} == {1}


def test_items_are_paged_by_number_and_state(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, shard_ids = make_job(3, 3)
    finish(claims, shard_ids[1])
    assert [item.number for item in repository.items(job_id, limit=2, after=1)] == [2, 3]
    succeeded = repository.items(job_id, limit=10, states=[ItemStatus.SUCCEEDED])
    assert [item.number for item in succeeded] == [3, 4, 5]
    assert repository.item(succeeded[0].id) == succeeded[0]
    assert repository.item(new_id()) is None
