"""What is away or full while a shard is in work: nothing is lost, and no attempt is used."""

import time
import weakref

import pytest

from shared.errors import BrokerUnavailable, DatabaseUnavailable, StoreUnavailable
from shared.jobs.claims import Claims
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from tests.unit.worker.conftest import png
from worker.items import ItemProcessor


@pytest.mark.parametrize("method", ["get", "put"])
def test_with_the_store_away_items_go_back_without_an_attempt_used(services, pipeline, submit, monkeypatch, method):
    shard = submit({f"{number}.png": png(64, 64) for number in range(5)})
    real = getattr(services.store, method)
    calls = 0

    def away(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise StoreUnavailable("the object store does not answer")
        return real(*args)

    monkeypatch.setattr(services.store, method, away)
    pipeline.process_shard(shard.id)
    job = services.repository.job(shard.job_id)
    assert job.counts.running == 0
    assert job.counts.pending >= 3
    assert {item.attempts for item in shard.items.values() if item.state is ItemStatus.PENDING} == {0}
    assert job.state is JobStatus.RUNNING


@pytest.mark.parametrize("refused", ["mask", "prob"])
def test_an_item_of_which_one_object_is_not_stored_waits_for_the_other(
    services, pipeline, submit, monkeypatch, refused
):
    shard = submit({"a.png": png(64, 64)})
    real_put = services.store.put
    stored: list[str] = []

    def put(key: str, *args: object) -> None:
        if f"/{refused}/" in key:
            raise StoreUnavailable("the object store does not answer")
        time.sleep(0.2)
        real_put(key, *args)
        stored.append(key)

    monkeypatch.setattr(services.store, "put", put)
    pipeline.process_shard(shard.id)
    assert len(stored) == 1, "nothing is written for an item that has gone back"
    assert shard.items["a.png"].state is ItemStatus.PENDING


def test_a_released_shard_is_finished_later(services, pipeline, submit, monkeypatch):
    monkeypatch.setattr("shared.jobs.claims._FIRST_BACKOFF_SECONDS", 0.0)
    shard = submit({f"{number}.png": png(64, 64) for number in range(3)})
    real_get = services.store.get
    failures = iter([True, True, True, True])

    def get(key: str) -> bytes:
        if next(failures, False):
            raise StoreUnavailable("the object store does not answer")
        return real_get(key)

    monkeypatch.setattr(services.store, "get", get)
    pipeline.process_shard(shard.id)
    assert services.repository.job(shard.job_id).state is JobStatus.SUCCEEDED
    assert {item.attempts for item in shard.items.values()} == {1}


def test_a_commit_waits_for_a_database_that_is_away(services, pipeline, submit, monkeypatch):
    shard = submit({"a.png": png(64, 64)})
    real = Claims.complete
    failures = iter([True, True])

    def complete(self: Claims, *args: object) -> object:
        if next(failures, False):
            raise DatabaseUnavailable("the database does not answer")
        return real(self, *args)

    monkeypatch.setattr(Claims, "complete", complete)
    pipeline.process_shard(shard.id)
    assert services.repository.job(shard.job_id).counts == ItemCounts(succeeded=1)


def test_a_worker_that_is_to_stop_drops_what_it_cannot_commit(services, make_pipeline, submit, monkeypatch, caplog):
    # It waits for three leases, and the fifth pause would be longer.
    monkeypatch.setattr(services.claims, "lease_seconds", 1.0)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        pipeline.stop_claiming()

    def complete(self: Claims, *args: object) -> object:
        raise DatabaseUnavailable("the database does not answer")

    monkeypatch.setattr(Claims, "complete", complete)
    pipeline = make_pipeline(sleep=pause)
    pipeline.process_shard(submit({"a.png": png(64, 64)}).id)
    assert pauses == [0.2, 0.4, 0.8, 1.6]
    assert "work dropped: the database does not answer" in caplog.text


def test_with_the_broker_away_the_shard_is_finished_all_the_same(services, pipeline, submit, monkeypatch, caplog):
    def fill() -> int:
        raise BrokerUnavailable("Redis does not answer")

    monkeypatch.setattr(services.dispatcher, "fill", fill)
    shard = submit({"a.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    assert services.repository.job(shard.job_id).state is JobStatus.SUCCEEDED
    assert "left to the reconciler: Redis does not answer" in caplog.text


def test_an_image_that_memory_is_too_small_for_fails_and_its_neighbours_succeed(
    services, pipeline, submit, monkeypatch
):
    monkeypatch.setattr("shared.jobs.claims._FIRST_BACKOFF_SECONDS", 0.0)
    whole = ItemProcessor._predict

    def predict(self, image, work):
        if image.shape == (192, 192):  # enlarged for the network
            raise MemoryError
        return whole(self, image, work)

    monkeypatch.setattr(ItemProcessor, "_predict", predict)
    shard = submit({"a.png": png(64, 64), "large.png": png(48, 48), "b.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    job = services.repository.job(shard.job_id)
    assert (job.state, job.counts) == (JobStatus.PARTIAL, ItemCounts(succeeded=2, failed=1))
    assert (shard.items["large.png"].error_code, shard.items["large.png"].attempts) == ("out_of_memory", 3)


def test_an_image_that_memory_is_too_small_for_is_not_kept_in_it(services, pipeline, submit, monkeypatch):
    images = []

    def predict(self, image, work):
        images.append(weakref.ref(image))
        raise MemoryError

    monkeypatch.setattr(ItemProcessor, "_predict", predict)
    release = Claims.release

    def released(self, claim, *, oversized=(), lasting=None):
        assert images
        assert not any(image() is not None for image in images)
        return release(self, claim, oversized=oversized, lasting=lasting)

    monkeypatch.setattr(Claims, "release", released)
    shard = submit({"a.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    assert shard.items["a.png"].state is ItemStatus.PENDING
