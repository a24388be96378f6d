"""A claim that ends early: its job is cancelled, its lease lost, its worker stopped."""

import time
from threading import Event, Thread

from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from tests.unit.worker.conftest import png

PATIENCE = 60


class Blocking:
    """A store whose `get` waits until it is let go."""

    def __init__(self, services, monkeypatch, after: int = 0) -> None:
        self.entered, self.leave = Event(), Event()
        self.calls = 0
        real = services.store.get

        def get(key: str) -> bytes:
            self.calls += 1
            if self.calls > after:
                self.entered.set()
                assert self.leave.wait(PATIENCE)
            return real(key)

        monkeypatch.setattr(services.store, "get", get)


def test_a_cancelled_job_leaves_no_objects(services, pipeline, submit, monkeypatch):
    shard = submit({f"{number}.png": png(64, 64) for number in range(6)})
    blocking = Blocking(services, monkeypatch, after=2)
    thread = Thread(target=pipeline.process_shard, args=[shard.id])
    thread.start()
    assert blocking.entered.wait(PATIENCE)
    services.repository.cancel(shard.job_id)
    blocking.leave.set()
    thread.join(PATIENCE)
    job = services.repository.job(shard.job_id)
    assert (job.state, job.counts) == (JobStatus.CANCELLED, ItemCounts(cancelled=6))
    written = [info.key for info in services.store.list() if "/source/" not in info.key]
    assert written == []


def test_a_cancel_stops_the_work_in_the_middle_of_a_shard(make_pipeline, services, submit, monkeypatch):
    monkeypatch.setattr(services.claims, "lease_seconds", 1.0)
    pipeline = make_pipeline()
    shard = submit({f"{number}.png": png(64, 64) for number in range(30)})
    blocking = Blocking(services, monkeypatch)
    thread = Thread(target=pipeline.process_shard, args=[shard.id])
    thread.start()
    assert blocking.entered.wait(PATIENCE)
    services.repository.cancel(shard.job_id)
    _wait_for(lambda: (held.over for held in list(pipeline._leases._held.values())))
    blocking.leave.set()
    thread.join(PATIENCE)
    assert blocking.calls <= 2  # the two that were loading; nothing else was begun
    assert services.repository.job(shard.job_id).state is JobStatus.CANCELLED


def test_a_claim_that_was_lost_is_not_written(make_pipeline, services, submit, monkeypatch):
    monkeypatch.setattr(services.claims, "lease_seconds", 1.0)
    pipeline = make_pipeline()
    shard = submit({f"{number}.png": png(64, 64) for number in range(10)})
    blocking = Blocking(services, monkeypatch)
    thread = Thread(target=pipeline.process_shard, args=[shard.id])
    thread.start()
    assert blocking.entered.wait(PATIENCE)
    pipeline.stop_claiming()  # else it would go on with what is quarantined, rightly
    # As if this process had been stopped for longer than its lease: somebody else took everything.
    [held] = pipeline._leases._held.values()
    services.claims.release(held.claim)
    _wait_for(lambda: [held.over])
    blocking.leave.set()
    thread.join(PATIENCE)
    assert services.repository.job(shard.job_id).counts == ItemCounts(pending=10)


def test_after_stop_claiming_the_claim_in_work_is_finished_and_no_other_begun(services, pipeline, submit, monkeypatch):
    shard, other = submit({"a.png": png(64, 64)}), submit({"b.png": png(64, 64)})
    blocking = Blocking(services, monkeypatch)
    thread = Thread(target=pipeline.process_shard, args=[shard.id])
    thread.start()
    assert blocking.entered.wait(PATIENCE)
    pipeline.stop_claiming()
    blocking.leave.set()
    thread.join(PATIENCE)
    pipeline.process_shard(other.id)
    assert shard.items["a.png"].state is ItemStatus.SUCCEEDED
    assert other.items["b.png"].state is ItemStatus.PENDING


def _wait_for(conditions) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(conditions()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
