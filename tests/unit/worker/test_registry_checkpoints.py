"""Checkpoints of the registry, fetched to this machine and held against what was published."""

import hashlib
import json
from pathlib import Path

import pytest

from shared.db.model_registry import Model
from shared.errors import DeviceOutOfMemory, ItemError, ItemErrorCode, Retryable
from shared.net.architectures import build
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME, Metadata, save_checkpoint, save_scores
from shared.net.predictor import Predictor
from shared.store import ObjectStore, keys, open_store
from tests.unit.net.fitted import SCORES
from worker.model_cache import RegistryCheckpoints

TINY = {"base": 2, "levels": 2, "stem": 4}


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
