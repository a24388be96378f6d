"""A new backend is a class and a line of the registry: all that serves images and shows the device follows."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from shared.errors import DeviceOutOfMemory
from shared.images.codec import decode_mask, decode_probability
from shared.jobs.state import JobStatus
from shared.net.architectures import build
from shared.net.backends.contract import Backend, DeviceMemory
from shared.net.backends.registry import BACKENDS
from shared.net.checkpoint import LoadedModel, Metadata, save_checkpoint
from shared.net.predictor import Predictor
from shared.services import Services
from tests.unit.worker.conftest import Submit, bright, make_pipeline, pipeline, png, services, submit
from worker.metrics import DeviceMemoryCollector
from worker.pipeline import Pipeline
from worker.process import Network

__all__ = ["make_pipeline", "pipeline", "services", "submit"]  # the worker's fixtures

MAX_TILES = 2


class Abacus(Backend):
    """What is brighter than the image's mean has probability 0.8; more than two tiles at once do not fit."""

    def __init__(self, device: str, precision: str) -> None:
        self._device = device
        self._precision = precision

    @classmethod
    def open(cls, model: LoadedModel, *, device: str, precision: str) -> Self:
        assert model.metadata.architecture == "attention_unet"
        return cls(device, precision)

    @property
    def device_name(self) -> str:
        return f"abacus:{self._device}"

    @property
    def precision(self) -> str:
        return self._precision

    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(tiles) > MAX_TILES:
            raise DeviceOutOfMemory("too few rods")
        return np.where(tiles > 0, np.float32(0.8), np.float32(0.2))

    def memory(self) -> DeviceMemory:
        return DeviceMemory(allocated=1, reserved=2, free=3, total=5)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    arguments = {"base": 2, "levels": 2, "stem": 4}
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "checkpoint", build("attention_unet", arguments), Metadata("attention_unet", arguments))
    return tmp_path / "checkpoint"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Predictor]:
    """What a worker is given to load its networks with."""
    monkeypatch.setitem(BACKENDS, "abacus", Abacus)
    return partial(Predictor.load, backend="abacus")


@pytest.fixture
def predictor(load: Callable[[Path, str], Predictor], checkpoint: Path) -> Predictor:
    return load(checkpoint, "7")


@pytest.fixture
def model(predictor: Predictor) -> SimpleNamespace:
    """The own model of the worker's pipeline."""
    return SimpleNamespace(
        predict=predictor.answer_tiles,
        sha256=predictor.sha256,
        threshold=predictor.threshold,
        scores=predictor.scores,
        intake=predictor.intake,
    )


def test_it_serves_whole_images_of_any_size(predictor: Predictor) -> None:
    image = np.where(bright(600, 1100), np.float32(9), np.float32(0))
    probability = predictor.predict_image(image)
    np.testing.assert_allclose(probability, np.where(image > 0, 0.8, 0.2), atol=1e-6)
    assert (predictor.device_name, predictor.precision) == ("abacus:7", "auto")


def test_it_serves_the_images_of_a_job_in_batches_that_fit(
    predictor: Predictor, pipeline: Pipeline, services: Services, submit: Submit
) -> None:
    shard = submit({f"{number}.png": png(64, 64) for number in range(8)} | {"large.png": png(700, 1300)})
    pipeline.process_shard(shard.id)
    assert services.repository.job(shard.job_id).state is JobStatus.SUCCEEDED
    for item in shard.items.values():
        assert item.mask_key
        assert item.probability_key
        mask = decode_mask(services.store.get(item.mask_key))
        probability = decode_probability(services.store.get(item.probability_key))
        assert mask.any()
        assert np.array_equal(mask, probability >= predictor.threshold)
        if item.path == "large.png":
            assert np.array_equal(mask, bright(700, 1300))
            assert np.allclose(probability, np.where(mask, 0.8, 0.2))
        assert item.model == predictor.sha256


def test_its_batch_size_is_found_on_it_and_not_taken_from_a_cpu(predictor: Predictor) -> None:
    network = Network.measure(predictor, None)
    assert network.batch_size <= MAX_TILES
    assert network.baseline > 0


def test_its_memory_reaches_the_metrics(predictor: Predictor) -> None:
    registry = CollectorRegistry()
    registry.register(DeviceMemoryCollector(predictor.device_memory))
    shown = {
        kind: registry.get_sample_value("delineate_gpu_memory_bytes", {"kind": kind})
        for kind in ("allocated", "reserved", "free", "total")
    }
    assert shown == {"allocated": 1, "reserved": 2, "free": 3, "total": 5}
