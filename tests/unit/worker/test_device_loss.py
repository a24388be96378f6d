"""A GPU that is lost to the process fails no image: what was claimed is released, and the process ends."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.config import load_settings
from shared.errors import DeviceFailed, DeviceOutOfMemory
from shared.images.codec import encode_grey
from shared.jobs.state import ItemStatus
from shared.net.backends.contract import Answer
from tests.unit.worker.conftest import BrightIsForeground, Submit, png
from worker import metrics
from worker.app import create_app
from worker.batcher import Tiles
from worker.pipeline import Pipeline
from worker.process import WorkerProcess, is_lost
from worker.watchdog import EXIT_STUCK, Watchdog

IMAGES = {f"{number}.png": png(512, 512) for number in range(12)}


@dataclass
class FailsFrom(BrightIsForeground):
    """Answers some calls, and from then on no more."""

    calls_left: int = 1
    words: str = "CUDA error: an illegal memory access was encountered"

    def predict(self, tiles: Tiles) -> list[Answer]:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise RuntimeError(self.words)
        return super().predict(tiles)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> BrightIsForeground:
    return getattr(request, "param", BrightIsForeground())


@pytest.mark.parametrize(
    "model", [FailsFrom(calls_left=2), FailsFrom(calls_left=0, words="whatever it says")], indirect=True
)
def test_no_image_fails_and_the_process_ends_when_its_claims_are_released(
    make_pipeline: Callable[..., Pipeline], submit: Submit, model: FailsFrom
) -> None:
    ended: list[list[ItemStatus]] = []
    shard = submit(IMAGES)

    def probe() -> bool:
        try:
            model.predict(np.zeros((1, 512, 512), np.float32))
        except RuntimeError:
            return True
        return False

    pipeline = make_pipeline(is_lost=probe, on_stuck=lambda: ended.append([i.state for i in shard.items.values()]))
    pipeline.process_shard(shard.id)
    [states] = ended  # once, with nothing held any more
    assert set(states) <= {ItemStatus.PENDING, ItemStatus.SUCCEEDED}
    assert states.count(ItemStatus.PENDING) > 0
    pending = [item for item in shard.items.values() if item.state is ItemStatus.PENDING]
    assert {item.attempts for item in pending} == {0}
    # It takes nothing more, not even what is there to be taken.
    pipeline.process_shard(submit(IMAGES).id)
    assert len(ended) == 1


@pytest.mark.parametrize("model", [FailsFrom(calls_left=0, words="a defect")], indirect=True)
def test_a_model_that_fails_on_a_device_that_works_ends_no_process(make_pipeline: Any, submit: Submit) -> None:
    ended: list[bool] = []
    shard = submit({"a.png": png(512, 512)})
    make_pipeline(is_lost=lambda: False, on_stuck=lambda: ended.append(True)).process_shard(shard.id)
    assert shard.items["a.png"].error_code == "internal"
    assert not ended


@pytest.mark.parametrize(
    ("raised", "lost"),
    [
        (None, False),
        (RuntimeError("illegal access"), True),
        (DeviceFailed("gone"), True),
        (DeviceOutOfMemory(""), False),
    ],
)
def test_the_own_network_is_what_the_device_is_asked_with(raised: Exception | None, lost: bool) -> None:
    asked: list[int] = []

    def warm_up(batch_size: int) -> None:
        asked.append(batch_size)
        if raised is not None:
            raise raised

    own: Any = SimpleNamespace(warm_up=warm_up)
    assert is_lost(own) is lost
    assert asked == [1]


def test_a_claim_that_hangs_on_a_lost_device_ends_the_process_all_the_same() -> None:
    ended = Event()
    watchdog = Watchdog(0.02, ended.set)
    watchdog.start()
    with watchdog.watching():
        watchdog.device_lost(DeviceFailed("gone"))
        for _ in range(10**6):
            watchdog.progress()  # failures that are noticed are no progress any more
            if ended.wait(0.0001):
                break
    watchdog.stop()
    assert ended.is_set()


def test_the_metrics_of_a_lost_device_are_all_the_others() -> None:
    def memory() -> Any:
        raise RuntimeError("CUDA error: unspecified launch failure")

    registry = CollectorRegistry()
    registry.register(metrics.DeviceMemoryCollector(memory))
    registry.register(metrics.BASELINE_IMAGES_PER_SECOND)
    page = generate_latest(registry).decode()
    assert "delineate_bare_images_per_second" in page
    assert "delineate_gpu_memory_bytes{" not in page


@pytest.mark.parametrize("error", [DeviceFailed("the device failed"), DeviceOutOfMemory("not even one tile fits")])
def test_a_device_that_fails_at_the_start_is_one_line_and_an_exit(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    def start(_process: WorkerProcess) -> None:
        raise error

    monkeypatch.setattr(WorkerProcess, "start", start)
    receivers: list[Callable[..., None]] = []
    monkeypatch.setattr("celery.signals.celeryd_init.connect", lambda receiver, weak: receivers.append(receiver))
    create_app(load_settings(delineate_home=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    with pytest.raises(SystemExit) as caught:
        receivers[0]()
    assert caught.value.code == EXIT_STUCK
    assert capsys.readouterr().err == f"error: {error}\n"


class NoNumbers(BrightIsForeground):
    """Gives no numbers for a picture that is half bright."""

    def predict(self, tiles: Tiles) -> list[Answer]:
        return [
            replace(answer, is_finite=bool(np.mean(tile > 0) < 0.25))
            for answer, tile in zip(super().predict(tiles), tiles, strict=True)
        ]


@pytest.mark.parametrize("model", [NoNumbers()], indirect=True)
@pytest.mark.parametrize("whole_pixels", [2048**2, 100])
def test_an_image_whose_probabilities_are_no_numbers_fails_alone(
    pipeline: Pipeline, submit: Submit, monkeypatch: pytest.MonkeyPatch, whole_pixels: int
) -> None:
    monkeypatch.setattr("worker.items.WHOLE_PIXELS", whole_pixels)
    strange = np.random.default_rng(0).choice(np.array([20, 200], np.uint8), (512, 512))
    shard = submit({"good.png": png(512, 512), "strange.png": encode_grey(strange)})
    pipeline.process_shard(shard.id)
    items = shard.items
    assert items["good.png"].state is ItemStatus.SUCCEEDED
    assert items["strange.png"].error_code == "model_unavailable"
    assert "no numbers: publish other weights" in str(items["strange.png"].error)
