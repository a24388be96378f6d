"""How fast the network is by itself, how fast the worker was lately, and which stage the others wait for."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import numpy as np

from shared.errors import DeviceOutOfMemory
from shared.jobs.workers import Performance
from shared.net.tiling import TILE_SIZE
from worker import metrics
from worker.batcher import Tiles
from worker.metrics import Stage

log = logging.getLogger(__name__)

_BASELINE_SECONDS = 1.0
_TRIAL_SECONDS = 0.3
_WORTH_DOUBLING = 1.05  # a batch twice as large has to be this much faster
_WINDOW_SECONDS = 30.0
BATCH_ON_CPU, _MAX_BATCH_ON_GPU = 4, 128


def baseline_throughput(
    predict: Callable[[Tiles], object], *, batch_size: int, threads: int, seconds: float = _BASELINE_SECONDS
) -> float:
    """Measure how many images of 512×512 a second the network does by itself, with all tiles in memory.

    It should be warm: nothing is left out of the measurement. What `predict` raises is raised.

    Args:
        predict: the network.
        batch_size: images in a batch.
        threads: batches at a time.
        seconds: for at least so long.
    """
    # Noise, since zeros would be faster on some devices.
    tiles = np.random.default_rng(0).standard_normal((batch_size, TILE_SIZE, TILE_SIZE), dtype=np.float32)

    def run(_thread: int) -> float:
        started, batches = time.perf_counter(), 0
        while True:
            predict(tiles)
            batches += 1
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                return batches * batch_size / elapsed

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(run, range(threads)))


def batch_size_for(predict: Callable[[Tiles], object], *, on_cpu: bool, threads: int) -> int:
    """Return the batch size where nobody asked for one: on a GPU found by trying, see `best_batch_size`."""
    # On a CPU larger batches bring memory and no speed: compare `python -m benchmarks.scale` with BATCH_SIZE=8.
    return BATCH_ON_CPU if on_cpu else best_batch_size(predict, threads=threads, most=_MAX_BATCH_ON_GPU)


def best_batch_size(predict: Callable[[Tiles], object], *, threads: int, most: int) -> int:
    """Find the batch size from which on larger ones bring nothing, or do not fit in memory: 1, 2, 4, … up to `most`.

    Raises:
        DeviceOutOfMemory: not even one tile fits.
    """
    best, best_rate = 1, 0.0
    size = 1
    while size <= most:
        try:
            baseline_throughput(predict, batch_size=size, threads=threads, seconds=0.0)  # its first batch is slower
            rate = baseline_throughput(predict, batch_size=size, threads=threads, seconds=_TRIAL_SECONDS)
        except (DeviceOutOfMemory, MemoryError) as error:
            if size == 1:
                raise DeviceOutOfMemory("not even one tile fits in the device's memory: free some of it") from error
            break
        log.debug("batches of %d: %.1f images/s", size, rate)
        if rate < best_rate * _WORTH_DOUBLING:
            break
        best, best_rate = size, rate
        size *= 2
    return best


@dataclass(frozen=True)
class StagePool:
    """Threads that stages share: each is busy in one of them, or waits for another part of the work."""

    threads: int
    stages: Sequence[Stage]

    def busy_seconds(self) -> list[float]:
        """Return how long the threads were busy in each stage so far."""
        return [stage.busy_seconds for stage in self.stages]


@dataclass(frozen=True)
class _Snapshot:
    at: float
    images: int
    working_seconds: float
    busy_seconds: list[list[float]]


class ThroughputMeter:
    """Measures the worker's throughput over the last half minute of its work, time without work left out.

    The pool whose threads are busiest limits: the others wait for it.

    Args:
        baseline: images a second of the network by itself.
        pools: all that can limit.
        clock: seconds.
    """

    def __init__(
        self, baseline: float, pools: Sequence[StagePool], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._baseline = baseline
        self._pools = pools
        self._clock = clock
        self._lock = Lock()
        self._images = 0
        self._in_work = 0
        self._working_seconds = 0.0
        self._changed_at = clock()
        self._snapshots = deque([self._snapshot()])

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time inside of this as time with work."""
        with self._lock:
            self._advance()
            self._in_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._advance()
                self._in_work -= 1

    def image_ended(self) -> None:
        """Count one image."""
        with self._lock:
            self._images += 1

    def performance(self) -> Performance:
        """Return the throughput since half a minute ago, or since the call before that."""
        with self._lock:
            self._advance()
            now = self._snapshot()
            self._snapshots.append(now)
            while len(self._snapshots) > 2 and self._snapshots[1].at <= now.at - _WINDOW_SECONDS:
                self._snapshots.popleft()
            before = self._snapshots[0]
        seconds = now.working_seconds - before.working_seconds
        if seconds <= 0:
            return Performance(None, self._baseline, None)
        return Performance((now.images - before.images) / seconds, self._baseline, self._limiting(before, now))

    def _limiting(self, before: _Snapshot, now: _Snapshot) -> str | None:
        best: tuple[float, str | None] = (0.0, None)
        for pool, earlier, later in zip(self._pools, before.busy_seconds, now.busy_seconds, strict=True):
            busy = [late - early for early, late in zip(earlier, later, strict=True)]
            longest = pool.stages[busy.index(max(busy))].name
            best = max(best, (sum(busy) / pool.threads, longest), key=lambda pair: pair[0])
        return best[1]

    def _advance(self) -> None:
        now = self._clock()
        if self._in_work:
            self._working_seconds += now - self._changed_at
        self._changed_at = now

    def _snapshot(self) -> _Snapshot:
        busy = [pool.busy_seconds() for pool in self._pools]
        return _Snapshot(self._changed_at, self._images, self._working_seconds, busy)


def stage_pools(*, loading: int, storing: int, network: int, committing: int) -> list[StagePool]:
    """Return the worker's pools, by how many threads each kind of work has."""
    return [
        StagePool(loading, (metrics.FETCH, metrics.DECODE)),
        StagePool(network, (metrics.NETWORK,)),
        StagePool(storing, (metrics.ENCODE, metrics.STORE)),
        StagePool(committing, (metrics.COMMIT,)),
    ]
