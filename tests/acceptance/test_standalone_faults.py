"""A worker that is killed in the middle of a job: the job finishes by itself, nothing lost, nothing twice."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from shared.jobs.state import ItemStatus, JobStatus
from shared.services import connect
from tests.acceptance.embedded_stack import EmbeddedStack

pytestmark = pytest.mark.timeout(900)

IMAGES = 200
# Short enough for the test, long enough for a loaded machine to renew it in time.
LEASE_SECONDS = "10"


def test_a_job_survives_its_worker(tmp_path: Path):
    with EmbeddedStack(tmp_path / "home", settings={"LEASE_SECONDS": LEASE_SECONDS}) as stack:
        stack.wait_until_ready()
        job = stack.producer("demo", "--count", str(IMAGES), "--seed", "3")["job"]
        services = connect(stack.settings)
        try:

            def counts():
                return services.repository.job(job).counts

            stack.wait_for(lambda: counts().succeeded >= IMAGES // 8)
            worker = stack.pid("worker")
            os.kill(worker, signal.SIGKILL)
            at_death = counts()
            assert at_death.succeeded < IMAGES, "the job was over before the worker was killed"

            stack.wait_for(lambda: services.repository.job(job).state not in (JobStatus.QUEUED, JobStatus.RUNNING))
            assert stack.pid("worker") != worker
            assert services.repository.job(job).state == JobStatus.SUCCEEDED
            assert counts().succeeded == counts().total == IMAGES
            items = services.repository.items(job, limit=IMAGES + 1)
            masks = Counter(info.key for info in services.store.list(f"jobs/{job}/mask/"))
        finally:
            services.close()
        assert Counter(item.state for item in items) == {ItemStatus.SUCCEEDED: IMAGES}
        assert len({item.number for item in items}) == IMAGES
        assert sorted(masks) == sorted(item.mask_key for item in items)
        assert 0 < sum(item.attempts > 1 for item in items) <= at_death.running + at_death.pending
        assert stack.stop() == 0
        assert stack.processes() == []
