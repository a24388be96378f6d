"""The models of a worker: fetched once, kept while used, and what happens when one cannot be had."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared.db.model_registry import ModelRegistry
from shared.errors import ItemError, ItemErrorCode, StoreUnavailable
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from tests.unit.worker.conftest import BrightIsForeground, png
from worker.batcher import Batcher
from worker.model_cache import ModelCache, ServedModel, device_of

PATIENCE = 60
OWN = "0" * 64


def served(sha256: str) -> ServedModel:
    return ServedModel(sha256, 0.5, Batcher(lambda tiles: np.zeros(tiles.shape, dtype=np.uint8), batch_size=2))


def is_open(model: ServedModel) -> bool:
    return any(thread.is_alive() for thread in model.batcher._threads)


@dataclass
class Loads:
    """Counts what was loaded."""

    order: list[str] = field(default_factory=list)

    def __call__(self, sha256: str) -> ServedModel:
        self.order.append(sha256)
        return served(sha256)


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def models(loads: Loads) -> Iterator[ModelCache]:
    models = ModelCache(served(OWN), loads)
    yield models
    models.close()


def test_the_workers_own_is_there_without_loading_by_its_hash_too(models: ModelCache, loads: Loads):
    with models.using(None) as own, models.using(OWN) as by_hash:
        assert own is by_hash
    assert loads.order == []


def test_the_last_two_stay_loaded(models: ModelCache, loads: Loads):
    found = {}
    for sha256 in "abacab":
        with models.using(sha256) as model:
            assert is_open(model)
            found[sha256] = model
    assert loads.order == ["a", "b", "c", "b"]
    assert [sha256 for sha256, model in found.items() if is_open(model)] == ["a", "b"]


def test_models_in_use_stay_whatever_their_number(models: ModelCache, loads: Loads):
    with ExitStack() as stack:
        used = [stack.enter_context(models.using(sha256)) for sha256 in "abcd"]
        assert all(map(is_open, used))
    assert sum(map(is_open, used)) == 2


def test_claims_that_need_it_at_once_load_it_once():
    order: list[str] = []
    loading, finish = threading.Event(), threading.Event()

    def load(sha256: str) -> ServedModel:
        order.append(sha256)
        loading.set()
        assert finish.wait(PATIENCE)
        return served(sha256)

    models = ModelCache(served(OWN), load)
    found: list[ServedModel] = []

    def use() -> None:
        with models.using("a") as model:
            found.append(model)

    threads = [Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert loading.wait(PATIENCE)
    with models.using(None):
        pass  # the worker's own waits for nobody
    finish.set()
    for thread in threads:
        thread.join(PATIENCE)
    models.close()
    assert order == ["a"]
    assert len(set(map(id, found))) == 1
    assert not is_open(found[0])


def test_one_that_could_not_be_had_is_tried_again_by_the_next():
    answers: Iterator[Callable[[], ServedModel]] = iter([_unavailable, lambda: served("a")])
    models = ModelCache(served(OWN), lambda sha256: next(answers)())
    with pytest.raises(StoreUnavailable), models.using("a"):
        pass
    with models.using("a") as model:
        assert model.sha256 == "a"
    models.close()


def _unavailable() -> ServedModel:
    raise StoreUnavailable("the object store does not answer")


# -- fetching ------------------------------------------------------------------------------------------------


# -- in the pipeline -----------------------------------------------------------------------------------------


@pytest.fixture
def activate(services) -> Callable[[bytes], str]:
    """Publish and activate some weights, by name."""
    registry = ModelRegistry(services.database, services.store)

    def activate(weights: bytes) -> str:
        sha256 = registry.publish(weights, b"{}", name="n", summary={}, by="t").sha256
        return registry.activate(sha256, by="t").sha256

    return activate


def test_every_shard_gets_its_jobs_model_and_no_batch_has_two(services, make_pipeline, submit, activate, model):
    loaded: dict[str, BrightIsForeground] = {}

    def load(sha256: str) -> BrightIsForeground:
        return loaded.setdefault(sha256, BrightIsForeground(sha256, threshold=0.9))

    pipeline = make_pipeline(load_model=load)
    shards = [submit({f"{number}.png": png(64, 64) for number in range(8)})]
    expected = [model.sha256, activate(b"first"), activate(b"second")]
    shards += [submit({f"{number}.png": png(64, 64) for number in range(8)})]
    ModelRegistry(services.database, services.store).rollback(by="t")
    shards.insert(1, submit({f"{number}.png": png(64, 64) for number in range(8)}))
    threads = [Thread(target=pipeline.process_shard, args=[shard.id]) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [{item.model for item in shard.items.values()} for shard in shards] == [{sha256} for sha256 in expected]
    assert [{item.threshold for item in shard.items.values()} for shard in shards] == [{0.5}, {0.9}, {0.9}]
    assert [sum(each.batches) for each in (model, *map(loaded.get, expected[1:]))] == [8, 8, 8]


def test_without_its_model_a_job_fails_with_the_reason_and_the_next_goes_on(services, make_pipeline, submit, activate):
    def gone(sha256: str) -> BrightIsForeground:
        raise ItemError(ItemErrorCode.MODEL_UNAVAILABLE, "the job's model is gone")

    pipeline = make_pipeline(load_model=gone)
    good = submit({"a.png": png(64, 64)})
    activate(b"weights")
    bad = submit({f"{number}.png": png(64, 64) for number in range(3)})
    pipeline.process_shard(bad.id)
    pipeline.process_shard(good.id)
    assert services.repository.job(bad.job_id).state is JobStatus.FAILED
    assert {(item.error_code, item.error, item.attempts) for item in bad.items.values()} == {
        ("model_unavailable", "the job's model is gone", 1)
    }
    assert services.repository.job(good.job_id).state is JobStatus.SUCCEEDED


def test_with_the_store_away_a_claim_without_its_model_goes_back(services, make_pipeline, submit, activate):
    def away(sha256: str) -> BrightIsForeground:
        raise StoreUnavailable("the object store does not answer")

    activate(b"weights")
    shard = submit({f"{number}.png": png(64, 64) for number in range(3)})
    make_pipeline(load_model=away).process_shard(shard.id)
    job = services.repository.job(shard.job_id)
    assert (job.state, job.counts) == (JobStatus.RUNNING, ItemCounts(pending=3))
    assert {(item.state, item.attempts) for item in shard.items.values()} == {(ItemStatus.PENDING, 0)}


def test_a_result_s_device_is_in_one_line_that_fits() -> None:
    predictor: Any = SimpleNamespace(device_name="cuda:0 (NVIDIA H100)", precision="bfloat16")
    assert device_of(predictor) == f"cuda:0 (NVIDIA H100), bfloat16, torch {version('torch')}"
    predictor.device_name = "x" * 400
    assert len(device_of(predictor)) == 160
