"""What the worker counts of a shard; every figure is a difference, since the registry is the process's."""

from collections.abc import Callable

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared.errors import (
    ConfigurationError,
    DatabaseFull,
    DatabaseUnavailable,
    DeviceOutOfMemory,
    Retryable,
    StoreFull,
    StoreUnavailable,
)
from tests.unit.worker.conftest import png
from worker.batcher import Batcher
from worker.leases import Leases, WorkerIdentity
from worker.metrics import DeviceMemoryCollector

Difference = Callable[..., float]


def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }


@pytest.fixture
def counted() -> Difference:
    """By how much a sample has grown since the test began."""
    before = {
        (s.name, tuple(sorted(s.labels.items()))): s.value for family in REGISTRY.collect() for s in family.samples
    }

    def difference(name: str, **labels: str) -> float:
        now = REGISTRY.get_sample_value(name, labels)
        assert now is not None, f"there is no {name} {labels}"
        return now - before.get((name, tuple(sorted(labels.items()))), 0.0)

    return difference


def test_images_by_outcome_and_failures_by_code(pipeline, submit, counted: Difference):
    shard = submit({"a.png": png(64, 64), "b.png": png(64, 64), "words.png": b"words", "gone.png": None})
    pipeline.process_shard(shard.id)
    assert counted("delineate_images_total", outcome="succeeded") == 2
    assert counted("delineate_images_total", outcome="failed") == 2
    assert counted("delineate_failures_total", code="not_an_image") == 1
    assert counted("delineate_failures_total", code="source_missing") == 1


def test_every_stage_is_timed_as_often_as_it_was_gone_through(pipeline, submit, counted: Difference):
    shard = submit({"a.png": png(64, 64), "large.png": png(600, 700), "words.png": b"words"})
    pipeline.process_shard(shard.id)
    stages = ("fetch", "decode", "wait", "infer", "encode", "store", "commit")
    counts = {stage: counted("delineate_stage_seconds_count", stage=stage) for stage in stages}
    assert counts == {"fetch": 3, "decode": 3, "wait": 2, "infer": 2, "encode": 2, "store": 2, "commit": 1}
    assert all(counted("delineate_stage_seconds_sum", stage=stage) > 0 for stage in stages)


def test_a_synthetic_image_is_made_in_the_stage_of_decoding(pipeline, submit, counted: Difference):
    shard = submit({"s.png": {"seed": 7, "num_dots": 40, "jitter": 0.01, "severity": 0.0, "noise": "gaussian"}})
    pipeline.process_shard(shard.id)
    assert counted("delineate_stage_seconds_count", stage="decode") == 1
    assert counted("delineate_stage_seconds_count", stage="fetch") == 0
    assert counted("delineate_stage_seconds_count", stage="store") == 1


def test_images_of_a_cancelled_job(services, pipeline, submit, monkeypatch, counted: Difference):
    shard = submit({"a.png": png(64, 64), "b.png": png(64, 64)})
    real = services.claims.claim

    def claimed_then_cancelled(*arguments, **options):
        claim = real(*arguments, **options)
        if claim is not None:
            services.repository.cancel(shard.job_id)
        return claim

    monkeypatch.setattr(services.claims, "claim", claimed_then_cancelled)
    pipeline.process_shard(shard.id)
    assert counted("delineate_images_total", outcome="cancelled") == 2
    assert counted("delineate_images_total", outcome="succeeded") == 0


def test_what_is_released_is_counted_by_its_reason_and_not_as_ended(
    services, pipeline, submit, monkeypatch, counted: Difference
):
    def away(*_arguments):
        raise StoreUnavailable("no answer")

    shard = submit({f"{number}.png": png(64, 64) for number in range(3)})
    monkeypatch.setattr(services.store, "get", away)
    pipeline.process_shard(shard.id)
    assert counted("delineate_releases_total", reason="StoreUnavailable") == 3
    assert counted("delineate_images_total", outcome="succeeded") == 0


def test_how_full_batches_are_and_how_long_they_take(counted: Difference):
    def predict(tiles):
        if len(tiles) > 2:
            raise DeviceOutOfMemory("too many")
        return np.zeros(tiles.shape, dtype=np.uint8)

    batcher = Batcher(predict, batch_size=4)
    with batcher.expecting():
        answers = [batcher.submit(np.zeros((8, 8), dtype=np.float32)) for _ in range(4)]
        assert all(answer.result(60).shape == (8, 8) for answer in answers)
    batcher.close()
    batches = counted("delineate_batch_fill_ratio_count")
    assert counted("delineate_batch_fill_ratio_sum") == 1.0  # four tiles of four, in however many batches
    assert counted("delineate_batch_seconds_count") == batches + counted("delineate_batches_halved_total")


def test_renewals_that_fail_are_counted(services, pipeline, submit, monkeypatch, counted: Difference):
    def away(*_arguments, **_options):
        raise DatabaseUnavailable("no answer")

    monkeypatch.setattr(services.workers, "report", away)
    leases = Leases(services.claims, services.workers, identity=WorkerIdentity("w", "cpu", "0"))
    leases._round()
    leases._round()
    assert counted("delineate_lease_renewal_failures_total") == 2


def test_a_worker_without_a_gpu_tells_of_none():
    [family] = DeviceMemoryCollector(lambda: None).collect()
    assert family.samples == []


def test_whatever_a_claim_is_released_for_is_a_step_that_rate_sees():
    kinds = [Retryable, ConfigurationError]
    for kind in kinds:  # grows meanwhile
        # Those of training and producer are none that a worker meets, whichever test has loaded them before.
        kinds += [
            each for each in kind.__subclasses__() if each.__module__.split(".")[0] not in ("training", "producer")
        ]
    assert {StoreFull, DatabaseFull} <= set(kinds)
    for kind in kinds:
        assert REGISTRY.get_sample_value("delineate_releases_total", {"reason": kind.__name__}) is not None
