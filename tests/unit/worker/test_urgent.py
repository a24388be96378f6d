"""What is urgent comes before the next claim, whatever hints stand before its own."""

from sqlalchemy import update

from shared.db.tables.jobs import JobRow
from shared.jobs.claims import Claims
from shared.jobs.records import Priority
from shared.jobs.state import JobStatus
from shared.queue.dispatch import Dispatcher
from tests.unit.queue.memory_queue import MemoryQueue
from tests.unit.worker.conftest import png


def test_a_worker_does_what_is_urgent_before_the_shard_that_it_was_sent(services, pipeline, submit, monkeypatch):
    dispatcher = Dispatcher(services.database, MemoryQueue(), window=1, resend_after=60)
    monkeypatch.setattr(services.dispatcher, "more_urgent", dispatcher.more_urgent)
    large, urgent, equal = (submit({"a.png": png(64, 64)}) for _ in range(3))
    with services.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == urgent.job_id).values(priority=Priority.HIGH))
    claimed = []
    real = Claims.claim

    def claim(self, shard_id, **options):
        taken = real(self, shard_id, **options)
        claimed.extend([taken.shard_id] if taken else [])
        return taken

    monkeypatch.setattr(Claims, "claim", claim)
    pipeline.process_shard(large.id)
    assert claimed == [urgent.id, large.id]
    assert services.repository.job(urgent.job_id).state is JobStatus.SUCCEEDED
    assert services.repository.job(equal.job_id).state is JobStatus.QUEUED
