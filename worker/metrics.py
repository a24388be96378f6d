"""The worker's own Prometheus metrics; docs/monitoring.md describes each, and a test compares the two.

What other processes count as well is in `shared.jobs.metrics`.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Lock

from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.errors import ConfigurationError, ItemErrorCode, Retryable
from shared.jobs.metrics import FAILURES, IMAGES
from shared.jobs.records import Failure, Mark, Outcome, Success, marks_of
from shared.jobs.state import ItemStatus
from shared.jobs.workers import Performance
from shared.net.backends.contract import DeviceMemory

log = logging.getLogger(__name__)

WORKER = Info("delineate_worker", "What this worker is.")

# A PUT takes a millisecond, a large image on a CPU a minute.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_STAGES = Histogram("delineate_stage_seconds", "How long a stage took, failures included.", ["stage"], buckets=_SECONDS)
_STAGE_CPU = Counter("delineate_stage_cpu_seconds", "CPU time of the threads in a stage.", ["stage"])
BATCH_SECONDS = Histogram("delineate_batch_seconds", "How long the network took for a batch.", buckets=_SECONDS)


class Stage:
    """Times a part of the work: how long it took, and the CPU time of its thread meanwhile."""

    def __init__(self, name: str, seconds: Histogram | None = None) -> None:
        self.name = name
        self._seconds = seconds or _STAGES.labels(name)
        self._cpu = _STAGE_CPU.labels(name)
        self._lock = Lock()
        self._busy_seconds = 0.0

    @property
    def busy_seconds(self) -> float:
        """Seconds spent in it so far, by all threads together."""
        return self._busy_seconds

    @contextmanager
    def time(self) -> Iterator[None]:
        """Time what is done inside of this; failures count as well."""
        started, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._cpu.inc(time.thread_time() - cpu)
            seconds = time.perf_counter() - started
            self._seconds.observe(seconds)
            with self._lock:
                self._busy_seconds += seconds


FETCH = Stage("fetch")  # the source out of the object store
DECODE = Stage("decode")  # bytes to pixels in a process of their own, or the synthesis of an image
WAIT = Stage("wait")  # for memory: other images hold all of the pixel budget
INFER = Stage("infer")  # all tiles of an image through the network, their wait for a batch included
ENCODE = Stage("encode")  # mask and probability map to PNG
STORE = Stage("store")  # the objects of an image into the object store
COMMIT = Stage("commit")  # the results of a claim into the database, outages waited out
NETWORK = Stage("network", BATCH_SECONDS)  # one batch, in a thread of the batcher

_IMAGES_PER_SECOND = Gauge("delineate_images_per_second", "Images that ended in a second of work, lately.")
BASELINE_IMAGES_PER_SECOND = Gauge("delineate_bare_images_per_second", "The network alone, measured at the start.")
_LIMITING_STAGE = Gauge("delineate_limiting_stage", "1 for the stage that the others wait for.", ["stage"])
LIMITING = (FETCH, DECODE, NETWORK, ENCODE, STORE, COMMIT)
for _stage in LIMITING:
    _LIMITING_STAGE.labels(_stage.name)

BATCH_FILL = Histogram(
    "delineate_batch_fill_ratio", "How full a batch was, of BATCH_SIZE.", buckets=(0.125, 0.25, 0.5, 0.75, 1.0)
)
BATCHES_HALVED = Counter("delineate_batches_halved", "Batches that did not fit in the device's memory.")

MARKED = Counter("delineate_marked_images", "Images that succeeded and stand out, by what stands out.", ["mark"])
for _mark in Mark:
    MARKED.labels(_mark.value)

RELEASES = Counter("delineate_releases", "Images released, since something was unavailable, by its error.", ["reason"])
CLAIMS_LOST = Counter("delineate_claims_lost", "Claims whose lease ran out while this worker was at work on them.")
RENEWAL_FAILURES = Counter("delineate_lease_renewal_failures", "Rounds in which the leases could not be renewed.")


def _with_subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for subclass in error.__subclasses__():
        yield from _with_subclasses(subclass)


# All that a claim can be released for, see `worker.pipeline`.
for _reason in (*_with_subclasses(Retryable), *_with_subclasses(ConfigurationError)):
    RELEASES.labels(_reason.__name__)


def count_ended(outcomes: list[Outcome], ended: dict[str, ItemStatus]) -> None:
    """Count the images that a claim brought to an end, in the states that the database says."""
    for status in ended.values():
        IMAGES.labels(status.value).inc()
    for outcome in outcomes:
        if isinstance(outcome, Failure) and ended.get(outcome.item_id) is ItemStatus.FAILED:
            FAILURES.labels(ItemErrorCode(outcome.code).value).inc()
        elif isinstance(outcome, Success) and ended.get(outcome.item_id) is ItemStatus.SUCCEEDED:
            for mark in marks_of(outcome, outcome.note):
                MARKED.labels(mark.value).inc()


def show(performance: Performance) -> None:
    """Publish how fast the worker runs."""
    _IMAGES_PER_SECOND.set(performance.images_per_second or 0.0)
    for stage in LIMITING:
        _LIMITING_STAGE.labels(stage.name).set(stage.name == performance.limiting_stage)


class DeviceMemoryCollector(Collector):
    """The memory of the worker's device, asked for when somebody reads the metrics.

    There are no samples for a CPU, nor where the device does not answer: all other metrics then tell what is wrong.
    """

    def __init__(self, memory: Callable[[], DeviceMemory | None]) -> None:
        self._memory = memory

    def describe(self) -> list[Metric]:
        """Return the one metric, without its values."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Yield what the network has in use, what its backend keeps, what is free for all, and what there is."""
        family = self._family()
        try:
            memory = self._memory()
        except Exception as error:
            log.warning("the device's memory is not known: %s", error, extra={"action": "device_memory_unknown"})
            memory = None
        if memory is not None:
            for kind, size in asdict(memory).items():
                family.add_metric([kind], size)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("delineate_gpu_memory_bytes", "Memory of the worker's GPU.", labels=["kind"])
