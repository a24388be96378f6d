"""The models of a worker: fetched once, kept while used, and what happens when one cannot be had."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared.db.model_registry import Model, ModelRegistry
from shared.errors import DeviceOutOfMemory, ItemError, ItemErrorCode, Retryable, StoreUnavailable
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from shared.net.architectures import build
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME, Metadata, save_checkpoint, save_scores
from shared.net.predictor import Predictor
from shared.store import ObjectStore, keys, open_store
from tests.unit.net.fitted import SCORES
from tests.unit.worker.conftest import BrightIsForeground, png
from worker.batcher import Batcher
from worker.model_cache import ModelCache, RegistryCheckpoints, ServedModel, device_of

PATIENCE = 60
TINY = {"base": 2, "levels": 2, "stem": 4}
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


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"memory://{tmp_path.name}")


@pytest.fixture
def published(tmp_path: Path, store: ObjectStore) -> str:
    """The hash of a tiny network in the object store."""
    folder = tmp_path / "checkpoint"
    metadata = save_checkpoint(folder, build("attention_unet", TINY), Metadata("attention_unet", TINY))
    store.put(keys.model_weights(metadata.weights_sha256), (folder / WEIGHTS_NAME).read_bytes())
    store.put(keys.model_metadata(metadata.weights_sha256), (folder / METADATA_NAME).read_bytes())
    return metadata.weights_sha256


@pytest.fixture
def checkpoints(tmp_path: Path, store: ObjectStore) -> RegistryCheckpoints:
    """Of models that an older version published, whose summary says nothing."""
    return RegistryCheckpoints(store, tmp_path / "cache" / "models", row)


def row(sha256: str, *, metadata: bytes | None = None, **summary: object) -> Model:
    bound = None if metadata is None else hashlib.sha256(metadata).hexdigest()
    return Model(sha256, "n", summary, size=1, published_at=0.0, published_by="t", metadata_sha256=bound)


def on_cpu(path: Path) -> Predictor:
    return Predictor.load(path, "cpu")


def test_a_checkpoint_is_fetched_once_and_leaves_nothing_beside_it(checkpoints, store, published, tmp_path):
    assert checkpoints.load(published, on_cpu).sha256 == published
    store.delete_prefix("models/")
    assert checkpoints.load(published, on_cpu).sha256 == published
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [published]


def test_fitted_scores_are_fetched_with_their_model(checkpoints, store, published, tmp_path):
    folder = tmp_path / "checkpoint"
    save_scores(folder, SCORES, {})
    store.put(keys.model_metadata(published), (folder / METADATA_NAME).read_bytes())
    with pytest.raises(ItemError, match="no longer in the object store"):
        checkpoints.load(published, on_cpu)
    store.put(keys.model_familiarity(published), (folder / FAMILIARITY_NAME).read_bytes())
    assert checkpoints.load(published, on_cpu).scores is not None


@pytest.mark.parametrize("name", [WEIGHTS_NAME, METADATA_NAME])
@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_damaged_copy_is_fetched_again(checkpoints, published, tmp_path, name, damage, caplog):
    checkpoints.load(published, on_cpu)
    copy = tmp_path / "cache" / "models" / published / name
    copy.unlink() if damage is None else copy.write_bytes(damage)
    assert checkpoints.load(published, on_cpu).sha256 == published
    assert "fetched again" in caplog.text


@pytest.mark.parametrize("kind", [keys.model_weights, keys.model_metadata])
def test_one_that_is_gone_or_damaged_in_the_store_fails_its_items(checkpoints, store, published, kind):
    good = store.get(kind(published))
    for damage, reason in ((None, "no longer in the object store"), (good[:-100], "cannot be used")):
        store.delete([kind(published)]) if damage is None else store.put(kind(published), damage)
        with pytest.raises(ItemError, match=reason) as caught:
            checkpoints.load(published, on_cpu)
        assert caught.value.code is ItemErrorCode.MODEL_UNAVAILABLE
        assert "\n" not in str(caught.value)
    store.put(kind(published), good)
    assert checkpoints.load(published, on_cpu).sha256 == published  # mended by publishing again


def test_a_device_or_a_disk_that_is_full_is_no_fault_of_the_model(checkpoints, published, tmp_path):
    def too_large(_path: Path) -> Predictor:
        raise DeviceOutOfMemory("the model does not fit")

    with pytest.raises(DeviceOutOfMemory, match=published[:12]):
        checkpoints.load(published, too_large)
    (tmp_path / "file").touch()
    beside = RegistryCheckpoints(checkpoints._store, tmp_path / "file" / "models", row)
    with pytest.raises(Retryable, match="DELINEATE_HOME"):
        beside.load(published, on_cpu)


def with_threshold(store: ObjectStore, sha256: str, threshold: float) -> bytes:
    """Change model.json in the object store; return what it was."""
    original = store.get(keys.model_metadata(sha256))
    store.put(keys.model_metadata(sha256), json.dumps(json.loads(original) | {"threshold": threshold}).encode())
    return original


def test_metadata_that_are_not_those_that_were_published_fail_the_items(store, published, tmp_path):
    original = with_threshold(store, published, 0.95)
    pauses: list[float] = []
    bound = RegistryCheckpoints(
        store, tmp_path / "models", lambda sha256: row(sha256, metadata=original), pauses.append
    )
    with pytest.raises(ItemError, match="than was published: publish it again") as caught:
        bound.load(published, on_cpu)
    assert caught.value.code is ItemErrorCode.MODEL_UNAVAILABLE
    assert len(pauses) == 2
    store.put(keys.model_metadata(published), original)
    assert bound.load(published, on_cpu).threshold == 0.5


def test_of_models_that_an_older_version_published_the_summary_is_compared(store, published, tmp_path):
    with_threshold(store, published, 0.95)
    summary = {"architecture": "attention_unet", "arguments": TINY, "threshold": 0.5}
    old = RegistryCheckpoints(store, tmp_path / "models", lambda sha256: row(sha256, **summary), lambda _: None)
    with pytest.raises(ItemError, match="has another threshold"):
        old.load(published, on_cpu)


def test_a_copy_whose_metadata_somebody_changed_is_fetched_again(store, published, tmp_path, caplog):
    metadata = store.get(keys.model_metadata(published))
    bound = RegistryCheckpoints(store, tmp_path / "models", lambda sha256: row(sha256, metadata=metadata))
    bound.load(published, on_cpu)
    copy = tmp_path / "models" / published / METADATA_NAME
    copy.write_text(json.dumps(json.loads(metadata) | {"threshold": 0.95}))
    assert bound.load(published, on_cpu).threshold == 0.5
    assert "fetched again" in caplog.text


def test_a_model_that_is_just_published_anew_is_waited_for(store, published, tmp_path):
    rows = [row(published, metadata=b"before"), row(published, metadata=store.get(keys.model_metadata(published)))]
    bound = RegistryCheckpoints(store, tmp_path / "models", lambda _: rows.pop(0), lambda _: None)
    assert bound.load(published, on_cpu).sha256 == published


def test_a_model_that_the_database_does_not_know_fails_its_items(store, published, tmp_path):
    with pytest.raises(ItemError, match="publish it again"):
        RegistryCheckpoints(store, tmp_path / "models", lambda _: None).load(published, on_cpu)


@pytest.mark.parametrize("arguments", [{"base": -1}, {"base": 10**18}, {"levels": 10**6}, {"no_such": 1}, []])
def test_arguments_that_no_network_has_fail_the_items_at_once(checkpoints, store, published, arguments):
    original = json.loads(store.get(keys.model_metadata(published)))
    store.put(keys.model_metadata(published), json.dumps(original | {"arguments": arguments}).encode())
    with pytest.raises(ItemError) as caught:
        checkpoints.load(published, on_cpu)
    assert caught.value.code is ItemErrorCode.MODEL_UNAVAILABLE
    assert "\n" not in str(caught.value)


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
