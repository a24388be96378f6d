import threading
import time

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared.errors import DeviceOutOfMemory
from shared.jobs.workers import Performance
from worker import metrics
from worker.metrics import Stage
from worker.throughput import StagePool, ThroughputMeter, baseline_throughput, best_batch_size


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Busy:
    """A stage of which the test says how long it was busy."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.busy_seconds = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stages() -> dict[str, Busy]:
    return {name: Busy(name) for name in ("fetch", "decode", "network")}


@pytest.fixture
def meter(clock: Clock, stages: dict[str, Busy]) -> ThroughputMeter:
    loading = StagePool(4, (stages["fetch"], stages["decode"]))  # type: ignore[arg-type]
    return ThroughputMeter(100.0, [loading, StagePool(2, (stages["network"],))], clock=clock)  # type: ignore[arg-type]


def work(meter: ThroughputMeter, clock: Clock, *, seconds: float, images: int) -> None:
    with meter.working():
        for _ in range(images):
            meter.image_ended()
        clock.now += seconds


def test_before_there_was_work_only_the_baseline_is_known(meter, clock):
    clock.now += 10
    assert meter.performance() == Performance(None, 100.0, None)


def test_time_without_work_does_not_count(meter, clock):
    work(meter, clock, seconds=4, images=200)
    clock.now += 10
    assert meter.performance().images_per_second == 50


def test_claims_that_overlap_count_once(meter, clock):
    with meter.working():
        work(meter, clock, seconds=2, images=60)
        work(meter, clock, seconds=1, images=30)
    assert meter.performance().images_per_second == 30


def test_what_is_longer_ago_than_half_a_minute_is_forgotten(meter, clock):
    for rate in (10, 80, 80, 80, 80):
        work(meter, clock, seconds=10, images=10 * rate)
        performance = meter.performance()
    assert performance.images_per_second == 80
    clock.now += 31
    meter.performance()
    clock.now += 31
    assert meter.performance() == Performance(None, 100.0, None)


@pytest.mark.parametrize(
    ("busy", "limiting"),
    [
        ({"network": 19, "fetch": 10, "decode": 20}, "network"),  # 0.95 of two threads, 0.75 of four
        ({"network": 12, "fetch": 10, "decode": 29}, "decode"),  # 0.6 and 0.975, most of it decoding
        ({"network": 12, "fetch": 29, "decode": 10}, "fetch"),
    ],
)
def test_the_busiest_threads_limit(meter, clock, stages, busy, limiting):
    work(meter, clock, seconds=10, images=1)
    for name, seconds in busy.items():
        stages[name].busy_seconds += seconds
    assert meter.performance().limiting_stage == limiting


def test_the_baseline_is_that_of_all_threads_together():
    together = threading.Barrier(2, timeout=60)
    sizes = set()

    def network(tiles):
        together.wait()
        sizes.add(len(tiles))
        return tiles

    assert baseline_throughput(network, batch_size=3, threads=2, seconds=0.0) > 0
    assert sizes == {3}


@pytest.fixture
def device(monkeypatch):
    """A device of these speeds by batch size, the first batch of each left out; others do not fit."""

    def make(rates: dict[int, float]):
        def rate(_predict, *, batch_size, threads, seconds):
            if batch_size not in rates:
                raise DeviceOutOfMemory("too many")
            return rates[batch_size] if seconds else 1e-3

        monkeypatch.setattr("worker.throughput.baseline_throughput", rate)

    return make


@pytest.mark.parametrize(
    ("rates", "most", "best"),
    [
        ({1: 10, 2: 20, 4: 40}, 64, 4),  # eight do not fit
        ({1: 10, 2: 20, 4: 40, 8: 41, 16: 80}, 64, 4),
        ({1: 10, 2: 20, 4: 40}, 2, 2),
        ({1: 10, 2: 9}, 64, 1),
    ],
)
def test_a_batch_grows_while_that_pays_and_fits(device, rates, most, best):
    device(rates)
    assert best_batch_size(lambda tiles: tiles, threads=1, most=most) == best


def test_a_device_that_takes_no_tile_at_all(device):
    device({})
    with pytest.raises(DeviceOutOfMemory, match="not even one"):
        best_batch_size(lambda tiles: tiles, threads=1, most=64)


def cpu_seconds(name: str) -> float:
    return REGISTRY.get_sample_value("delineate_stage_cpu_seconds_total", {"stage": name}) or 0.0


def compute_and_fail() -> None:
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        np.sort(np.arange(1000))
    raise ValueError("failed")


def test_a_stage_tells_waiting_from_computing():
    stage = Stage("fetch")
    before = cpu_seconds("fetch")
    with stage.time():
        time.sleep(0.2)
    assert stage.busy_seconds >= 0.2
    waited = cpu_seconds("fetch") - before
    assert waited < 0.2
    with pytest.raises(ValueError, match="failed"), stage.time():
        compute_and_fail()
    assert cpu_seconds("fetch") - before - waited >= 0.2


def test_prometheus_is_told_of_one_limiting_stage():
    def shown(stage: str) -> float | None:
        return REGISTRY.get_sample_value("delineate_limiting_stage", {"stage": stage})

    metrics.show(Performance(40.0, 90.0, "network"))
    assert REGISTRY.get_sample_value("delineate_images_per_second") == 40
    assert [stage.name for stage in metrics.LIMITING if shown(stage.name)] == ["network"]
    metrics.show(Performance(None, 90.0, None))
    assert REGISTRY.get_sample_value("delineate_images_per_second") == 0
    assert not any(shown(stage.name) for stage in metrics.LIMITING)


def test_a_pipeline_says_how_fast_it_was(make_pipeline, submit):
    from tests.unit.worker.conftest import png

    pipeline = make_pipeline()
    pipeline.process_shard(submit({f"{n}.png": png(64, 64) for n in range(3)}).id)
    performance = pipeline._meter.performance()
    assert performance.images_per_second is not None
    assert performance.images_per_second > 0
    assert performance.limiting_stage in {stage.name for stage in metrics.LIMITING}
