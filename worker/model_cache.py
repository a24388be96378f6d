"""The models of a worker process: its own, and those of the registry that jobs name, fetched when first needed."""

import hashlib
import logging
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from shared.db.model_registry import Model
from shared.errors import (
    CheckpointError,
    DeviceOutOfMemory,
    ItemError,
    ItemErrorCode,
    ObjectMissing,
    Retryable,
)
from shared.net.backends.contract import Answer
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME, library_versions, names_scores
from shared.net.familiarity import FittedScores
from shared.net.intake import AS_SHIPPED, Intake
from shared.net.predictor import Predictor
from shared.store import ObjectStore, keys
from worker.batcher import Batcher, Tiles

log = logging.getLogger(__name__)

_MOST_OF_A_DEVICE = 160  # characters that its column has room for
_METADATA_ATTEMPTS = 3
_FETCHED_KEPT = 2  # those in use are kept whatever their number


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A network that takes tiles, and what the results say about it. Its batches hold no other model's tiles."""

    sha256: str  # of the weights
    threshold: float  # foreground is probability >= threshold
    batcher: Batcher[Answer]
    scores: FittedScores | None = None  # None: not fitted for this model
    device: str | None = None  # what it runs on, see `device_of`
    intake: Intake = AS_SHIPPED  # what images it takes


def device_of(predictor: Predictor) -> str:
    """Say what masks depend on besides the weights: "cuda:0 (NVIDIA H100), bfloat16, torch 2.13.0"."""
    return f"{predictor.device_name}, {predictor.precision}, torch {library_versions()['torch']}"[:_MOST_OF_A_DEVICE]


def answers_or_errors(
    sha256: str, answer_tiles: Callable[[Tiles], Sequence[Answer]]
) -> Callable[[Tiles], list[Answer | Exception]]:
    """Return the network of these weights, with an error in place of each answer that is made of no numbers."""

    def predict(tiles: Tiles) -> list[Answer | Exception]:
        return [each if each.is_finite else _no_numbers(sha256) for each in answer_tiles(tiles)]

    return predict


def _no_numbers(sha256: str) -> ItemError:
    return _unavailable(sha256, "gives probabilities that are no numbers: publish other weights, then retry")


@dataclass(eq=False)
class _Slot:
    loading: Lock = field(default_factory=Lock)
    model: ServedModel | None = None
    users: int = 0


class ModelCache:
    """Hands out models to claims. The worker's own stays; of the others, the last two used.

    Args:
        own: the model of jobs that name none.
        load: makes a model of the registry ready; called by one thread at a time for each model.
    """

    def __init__(self, own: ServedModel, load: Callable[[str], ServedModel]) -> None:
        self._own = own
        self._load = load
        self._lock = Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # the longest unused first

    @contextmanager
    def using(self, sha256: str | None) -> Iterator[ServedModel]:
        """Yield the model of this hash, the worker's own for None; it stays loaded meanwhile.

        Raises:
            ItemError: no worker can have this model; images that need it fail.
            Retryable, ConfigurationError: it cannot be had now.
        """
        if sha256 is None or sha256 == self._own.sha256:
            yield self._own
            return
        with self._lock:
            slot = self._slots.setdefault(sha256, _Slot())
            self._slots.move_to_end(sha256)
            slot.users += 1
        try:
            self._close_unused()  # before the next is loaded, so that its memory is free
            with slot.loading:
                if slot.model is None:
                    slot.model = self._load(sha256)
                    log.info("model %s loaded", sha256[:12], extra={"action": "model_loaded"})
            yield slot.model
        finally:
            with self._lock:
                slot.users -= 1
                self._slots.move_to_end(sha256)
            self._close_unused()

    def close(self) -> None:
        """End the threads of all models; none is in use any more."""
        for model in [self._own, *(slot.model for slot in self._slots.values() if slot.model)]:
            model.batcher.close()

    def _close_unused(self) -> None:
        closing = []
        with self._lock:
            surplus = len(self._slots) - _FETCHED_KEPT
            for sha256, slot in list(self._slots.items()):
                # One that could not be loaded is tried afresh by the next claim that needs it.
                if not slot.users and (surplus > 0 or slot.model is None):
                    del self._slots[sha256]
                    surplus -= 1
                    if slot.model is not None:
                        closing.append(slot.model)
        for model in closing:
            model.batcher.close()
            log.info("model %s unloaded", model.sha256[:12], extra={"action": "model_unloaded"})


class RegistryCheckpoints:
    """Checkpoints of the registry, copied once into a local folder that several processes may share.

    What is there was complete when it got its name, and its hash is looked at whenever it is loaded; so the folder
    may be emptied at any time. Weights are bound by the hash that names the model; threshold, arguments and all else of
    model.json by what the database says of it.

    Args:
        store: that has the checkpoints' files.
        folder: for the copies.
        published: a model's row, by the hash of its weights.
        pause: waits so many seconds for somebody who is just publishing it anew.
    """

    def __init__(
        self,
        store: ObjectStore,
        folder: Path,
        published: Callable[[str], Model | None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._folder = folder
        self._published = published
        self._pause = pause

    def load(self, sha256: str, load: Callable[[Path], Predictor]) -> Predictor:
        """Fetch the checkpoint folder, unless it is there, and return what `load` makes of it.

        Raises:
            ItemError: it is gone from the object store, or no usable checkpoint.
            Retryable: the store is unavailable, the disk is full, or the device's memory is.
            ConfigurationError: the store refuses us.
        """
        copy = self._folder / sha256
        try:
            if copy.exists():
                try:
                    self._check_copy(sha256, copy)
                    return load(copy)
                except CheckpointError as error:
                    log.warning("fetched again: %s", error, extra={"action": "model_copy_damaged"})
                    shutil.rmtree(copy, ignore_errors=True)
            self._fetch(sha256, copy)
            return load(copy)
        except ObjectMissing as error:
            raise _unavailable(sha256, "is no longer in the object store: publish it again, then retry") from error
        except CheckpointError as error:
            raise _unavailable(sha256, f"cannot be used: {error}") from error
        except DeviceOutOfMemory:
            raise DeviceOutOfMemory(f"model {sha256[:12]} does not fit beside what the device holds") from None

    def _check_copy(self, sha256: str, copy: Path) -> None:
        try:
            metadata = (copy / METADATA_NAME).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{copy / METADATA_NAME} cannot be read: {error.strerror}") from error
        difference = self._difference(sha256, metadata)
        if difference:
            raise CheckpointError(f"{copy / METADATA_NAME} {difference} than the published one")

    def _bound_metadata(self, sha256: str) -> bytes:
        """Return model.json out of the store, if it is the one that was published."""
        difference = None
        for attempt in range(_METADATA_ATTEMPTS):  # published anew, the object is there a moment before its hash
            if attempt:
                self._pause(1.0)
            metadata = self._store.get(keys.model_metadata(sha256))
            difference = self._difference(sha256, metadata)
            if difference is None:
                return metadata
        raise CheckpointError(
            f"its {METADATA_NAME} in the object store {difference} than was published: publish it again"
        )

    def _difference(self, sha256: str, metadata: bytes) -> str | None:
        model = self._published(sha256)
        if model is None:
            raise CheckpointError("the database has no such model: publish it again")
        return model.differs_from(metadata)

    def _fetch(self, sha256: str, copy: Path) -> None:
        weights = self._store.get(keys.model_weights(sha256))
        metadata = self._bound_metadata(sha256)
        scores = self._store.get(keys.model_familiarity(sha256)) if names_scores(metadata) else None
        found = hashlib.sha256(weights).hexdigest()
        if found != sha256:
            raise CheckpointError(f"the object store holds other weights under its name ({found[:12]})")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".fetching-") as scratch:
                complete = Path(scratch) / sha256
                complete.mkdir()
                (complete / WEIGHTS_NAME).write_bytes(weights)
                (complete / METADATA_NAME).write_bytes(metadata)
                if scores is not None:
                    (complete / FAMILIARITY_NAME).write_bytes(scores)
                complete.rename(copy)
        except OSError as error:
            if not copy.is_dir():  # else another process was quicker
                raise Retryable(
                    f"the folder of fetched models cannot be written: {error} (free space, or change DELINEATE_HOME)"
                ) from error


def _unavailable(sha256: str, reason: str) -> ItemError:
    return ItemError(ItemErrorCode.MODEL_UNAVAILABLE, f"the job's model {sha256[:12]} {reason}")
