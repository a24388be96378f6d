import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from shared.db.database import Database
from shared.db.tables.jobs import JobRow, ShardRow
from shared.errors import ImageOutOfDisk, ImageOutOfMemory
from shared.jobs.claims import Claims
from shared.jobs.records import Claim
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from tests.outcomes import all_succeed, failure, success
from tests.unit.conftest import MakeJob


def claimed(claims: Claims, shard_id: str, **options: bool) -> Claim:
    claim = claims.claim(shard_id, worker="w", **options)
    assert claim is not None
    return claim


def test_a_claim_takes_every_pending_item_once_and_starts_the_job(
    claims: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(5)
    claim = claimed(claims, shard_id)
    assert [item.path for item in claim.items] == [f"0/{n}.png" for n in range(5)]
    assert [item.attempts for item in claim.items] == [1] * 5
    assert claims.claim(shard_id, worker="w") is None
    job = repository.job(job_id)
    assert (job.state, job.counts) == (JobStatus.RUNNING, ItemCounts(running=5))
    assert job.started_at is not None


def test_no_item_is_claimed_twice_by_threads_at_once(claims: Claims, make_job: MakeJob) -> None:
    _, shard_ids = make_job(*[8] * 6)
    barrier = threading.Barrier(4)

    def claim_all() -> list[str]:
        barrier.wait()
        taken = (claims.claim(shard_id, worker="w") for shard_id in shard_ids)
        return [item.id for claim in taken if claim for item in claim.items]

    with ThreadPoolExecutor(4) as pool:
        ids = [item_id for future in [pool.submit(claim_all) for _ in range(4)] for item_id in future.result()]
    assert len(ids) == len(set(ids)) == 48


def test_outcomes_are_written_with_their_values(claims: Claims, repository: Repository, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(2)
    claim = claimed(claims, shard_id)
    good, bad = (item.id for item in claim.items)
    ended = claims.complete(claim, [success(good, dice=0.9, note="first of 3 pages"), failure(bad)])
    assert ended == {good: ItemStatus.SUCCEEDED, bad: ItemStatus.FAILED}
    first, second = repository.items(job_id, limit=10)
    assert (first.width, first.height, first.dice, first.note) == (640, 480, 0.9, "first of 3 pages")
    assert first.source_key == "0/0"  # the submitter's key is kept
    assert (second.error_code, second.error) == ("truncated", "the file ends early")
    assert second.mask_key is None
    assert repository.job(job_id).counts == ItemCounts(succeeded=1, failed=1)


def test_a_holder_whose_lease_ran_out_is_fenced_off(
    claims: Claims, impatient: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(1)
    slow = claimed(impatient, shard_id)
    assert impatient.expire() == 1
    fast = claimed(claims, shard_id, quarantined=True)
    assert claims.renew([slow.token, fast.token]) == {fast.token}
    assert claims.complete(slow, [failure(slow.items[0].id)]) == {}
    assert claims.release(slow) == 0
    assert claims.complete(fast, all_succeed(fast)) == {fast.items[0].id: ItemStatus.SUCCEEDED}
    assert claims.complete(fast, all_succeed(fast)) == {}  # the commit done, its answer lost, sent again
    assert repository.job(job_id).counts == ItemCounts(succeeded=1)


def test_renewing_keeps_a_lease_alive(claims: Claims, impatient: Claims, make_job: MakeJob) -> None:
    _, (shard_id,) = make_job(3)
    claim = claimed(impatient, shard_id)
    assert claims.renew([claim.token]) == {claim.token}
    assert impatient.expire() == 0


def test_after_a_crash_the_quarantined_run_one_at_a_time(claims: Claims, impatient: Claims, make_job: MakeJob) -> None:
    _, (shard_id,) = make_job(3)
    claimed(impatient, shard_id)
    impatient.expire()
    assert claims.has_quarantined(shard_id)
    assert claims.claim(shard_id, worker="w") is None  # never among others
    one = claimed(claims, shard_id, quarantined=True)
    assert len(one.items) == 1
    assert one.items[0].attempts == 2


def test_a_poison_item_fails_alone_after_three_crashes(
    claims: Claims, impatient: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(4)
    poison = claimed(impatient, shard_id).items[2].id
    impatient.expire()
    crashes = 1
    while claim := claims.claim(shard_id, worker="w", quarantined=True):
        if claim.items[0].id == poison:
            crashes += 1
            expire_now(claims.database, claim)
            claims.expire()
        else:
            claims.complete(claim, all_succeed(claim))
    assert crashes == 3
    assert repository.job(job_id).counts == ItemCounts(succeeded=3, failed=1)
    (failed,) = repository.items(job_id, limit=10, states=[ItemStatus.FAILED])
    assert (failed.id, failed.error_code, failed.attempts) == (poison, "worker_crashed", 3)


def test_a_claim_leaves_leases_that_ran_out_to_the_reconciler(
    claims: Claims, impatient: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(2)
    away = claimed(impatient, shard_id)
    assert claims.claim(shard_id, worker="w") is None
    assert claims.claim(shard_id, worker="w", quarantined=True) is None
    # The holder could not reach the database for longer than its lease: it loses nothing by that.
    assert claims.renew([away.token]) == {away.token}
    assert claims.expire() == 0
    claims.complete(away, all_succeed(away))
    assert repository.job(job_id).counts == ItemCounts(succeeded=2)


def test_nothing_is_claimed_of_a_cancelled_job(database: Database, claims: Claims, make_job: MakeJob) -> None:
    job_id, (shard_id,) = make_job(2)
    with database.write() as connection:  # as where a cancel was interrupted after its request
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(cancel_requested_at=1.0))
    assert claims.claim(shard_id, worker="w") is None
    assert Repository(database).job(job_id).counts == ItemCounts(cancelled=2)


def expire_now(database: Database, claim: Claim) -> None:
    Claims(database, lease_seconds=-1, max_attempts=3).renew([claim.token])


def test_a_release_uses_up_no_attempt_and_rests_the_shard(
    claims: Claims, repository: Repository, database: Database, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(2)
    claim = claimed(claims, shard_id)
    claims.complete(claim, [success(claim.items[0].id)])
    assert claims.release(claim) == 1
    assert repository.job(job_id).counts == ItemCounts(pending=1, succeeded=1)
    assert claims.claim(shard_id, worker="w") is None  # it rests
    with database.write() as connection:
        connection.execute(update(ShardRow).values(not_before=0.0))
    again = claimed(claims, shard_id)
    assert [item.attempts for item in again.items] == [1]
    assert not claims.has_quarantined(shard_id)


def test_what_runs_when_the_job_is_cancelled_ends_without_a_result(
    claims: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (running, pending) = make_job(2, 3)
    claim = claimed(claims, running)
    assert repository.cancel(job_id).counts == ItemCounts(running=2, cancelled=3)
    assert claims.claim(pending, worker="w") is None
    ended = claims.complete(claim, all_succeed(claim))
    assert set(ended.values()) == {ItemStatus.CANCELLED}
    assert repository.close_if_finished(job_id) is JobStatus.CANCELLED
    assert all(item.mask_key is None for item in repository.items(job_id, limit=10))


def test_what_ran_when_its_worker_died_is_cancelled_with_its_job(
    impatient: Claims, repository: Repository, make_job: MakeJob
) -> None:
    job_id, (shard_id,) = make_job(2)
    claimed(impatient, shard_id)
    repository.cancel(job_id)
    assert impatient.expire() == 2
    assert repository.job(job_id).counts == ItemCounts(cancelled=2)


@pytest.mark.parametrize("quarantined", [False, True])
def test_a_stale_hint_finds_nothing(claims: Claims, quarantined: bool) -> None:
    assert claims.claim("01890000-0000-7000-8000-000000000000", worker="w", quarantined=quarantined) is None


@pytest.mark.parametrize("lacking", [ImageOutOfMemory("no memory"), ImageOutOfDisk("no room in TMPDIR")])
def test_what_does_not_fit_runs_alone_and_fails_in_the_end(
    database: Database, claims: Claims, repository: Repository, make_job: MakeJob, lacking: ImageOutOfMemory
) -> None:
    lasting = lacking.lasting
    job_id, (shard_id,) = make_job(3)
    ready = update(ShardRow).values(not_before=0.0)
    claim = claims.claim(shard_id, worker="w")
    assert claim is not None
    large = claim.items[1].id
    assert claims.release(claim, oversized={large}, lasting=lasting) == 3
    with database.write() as connection:
        connection.execute(ready)
    others = claims.claim(shard_id, worker="w")
    assert others is not None
    assert [item.attempts for item in others.items] == [1, 1]
    claims.complete(others, all_succeed(others))
    for attempt in (2, 3):
        alone = claims.claim(shard_id, worker="w", quarantined=True)
        assert alone is not None
        assert [(item.id, item.attempts) for item in alone.items] == [(large, attempt)]
        assert claims.release(alone, oversized={large}, lasting=lasting) == (1 if attempt < 3 else 0)
        with database.write() as connection:
            connection.execute(ready)
    item = repository.item(large)
    assert item is not None
    assert (item.state, item.error_code) == (ItemStatus.FAILED, lasting.code.value)
    assert item.error == str(lasting)
    assert repository.close_if_finished(job_id) is JobStatus.PARTIAL
