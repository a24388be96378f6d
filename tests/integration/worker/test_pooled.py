"""A job whose workers, reconciler and submitter share two sessions of PostgreSQL, another with each transaction."""

from pathlib import Path

from devservers import S3Endpoint
from shared.jobs.state import ItemCounts, JobStatus
from tests.integration.worker.conftest import StackFactory, full, png


def test_a_job_behind_a_pooler(
    checkpoint: Path, broker_url: str, pooled_database_url: str, s3_endpoint: S3Endpoint, make: StackFactory
) -> None:
    stack = make(full, checkpoint, broker_url, pooled_database_url, s3_endpoint, SHARD_SIZE="8")
    workers = [stack.start_worker() for _ in range(2)]
    job_id = stack.submit({f"{number}.png": png(64, 64, number) for number in range(100)})
    job = stack.wait_for_end(job_id)
    assert (job.state, job.counts) == (JobStatus.SUCCEEDED, ItemCounts(succeeded=100))
    assert {item.attempts for item in stack.items(job_id).values()} == {1}
    assert not any("Traceback" in worker.log() or "prepared statement" in worker.log() for worker in workers)
