"""Workers that are killed, images that kill them, and a store that goes away: nothing lost, nothing twice."""

from pathlib import Path

from devservers import S3Endpoint
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from tests.integration.worker.conftest import Stack, StackFactory, embedded, full, held_png, png
from tests.integration.worker.staged_worker import CRASH
from tests.integration.worker.tcp_gate import TcpGate

STAGED = "tests.integration.worker.staged_worker"
SHORT_LEASE = {"LEASE_SECONDS": "4"}


def results_of(stack: Stack, job_id: str) -> list[str]:
    return sorted(info.key for info in stack.services.store.list(f"jobs/{job_id}/mask/"))


def test_another_worker_finishes_what_a_killed_one_had(
    checkpoint: Path, broker_url: str, postgres_database_url: str, s3_endpoint: S3Endpoint, make: StackFactory
):
    stack = make(full, checkpoint, broker_url, postgres_database_url, s3_endpoint, **SHORT_LEASE)
    first = stack.start_worker(STAGED)
    images = {f"{number:03}.png": png(64, 64, number) for number in range(60)} | {"held.png": held_png()}
    job_id = stack.submit(images)
    stack.wait_until_held()
    first.kill()
    assert stack.job(job_id).counts.running > 0
    stack.release_held()
    stack.start_worker()
    job = stack.wait_for_end(job_id)
    assert (job.state, job.counts) == (JobStatus.SUCCEEDED, ItemCounts(succeeded=61))
    items = stack.items(job_id)
    assert results_of(stack, job_id) == sorted(item.mask_key or "" for item in items.values())
    assert items["held.png"].attempts == 2
    assert max(item.attempts for item in items.values()) == 2


def test_an_image_that_ends_the_process_fails_alone(checkpoint: Path, broker_url: str, make: StackFactory):
    stack = make(embedded, checkpoint, broker_url, **SHORT_LEASE)
    images = {f"{number}.png": png(64, 64, number) for number in range(7)} | {"poison.png": png(64, CRASH)}
    job_id = stack.submit(images)

    def supervised() -> bool:
        """Start the worker again whenever it died, as a supervisor does."""
        if not stack.workers or stack.workers[-1].process.poll() is not None:
            stack.start_worker(STAGED)
        return stack.job(job_id).state.is_final

    stack.wait(supervised)
    items = stack.items(job_id)
    poison = items.pop("poison.png")
    assert (poison.state, poison.error_code, poison.attempts) == (ItemStatus.FAILED, "worker_crashed", 3)
    assert {item.state for item in items.values()} == {ItemStatus.SUCCEEDED}
    assert stack.job(job_id).state is JobStatus.PARTIAL


def test_with_s3_away_the_work_goes_back_and_is_done_later(
    checkpoint: Path, broker_url: str, postgres_database_url: str, s3_endpoint: S3Endpoint, make: StackFactory
):
    gate = TcpGate(int(s3_endpoint.url.rpartition(":")[2]))
    behind = S3Endpoint(f"http://127.0.0.1:{gate.port}", s3_endpoint.access_key, s3_endpoint.secret_key)
    stack = make(full, checkpoint, broker_url, postgres_database_url, behind)
    worker = stack.start_worker(STAGED)
    job_id = stack.submit({"held.png": held_png()} | {f"{number}.png": png(64, 64, number) for number in range(3)})
    stack.wait_until_held()
    gate.shut()
    stack.release_held()
    stack.wait(lambda: "claim_released" in worker.log())
    assert stack.job(job_id).counts.running == 0
    assert stack.items(job_id)["held.png"].attempts == 0
    gate.open()
    job = stack.wait_for_end(job_id)
    assert (job.state, job.counts) == (JobStatus.SUCCEEDED, ItemCounts(succeeded=4))
    assert {item.attempts for item in stack.items(job_id).values()} == {1}
    gate.shut()


def test_a_cancelled_job_ends_while_its_images_are_in_work(checkpoint: Path, broker_url: str, make: StackFactory):
    stack = make(embedded, checkpoint, broker_url, **SHORT_LEASE)
    worker = stack.start_worker(STAGED)
    job_id = stack.submit({f"{number}.png": held_png() for number in range(20)})
    stack.wait_until_held()
    stack.services.repository.cancel(job_id)
    stack.release_held()
    job = stack.wait_for_end(job_id)
    assert (job.state, job.counts) == (JobStatus.CANCELLED, ItemCounts(cancelled=20))
    assert worker.terminate() == 0
    assert results_of(stack, job_id) == []
