"""How fast the network is by itself, how fast the worker is lately, and which stage the others wait for."""

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
from shared.jobs.records import Performance
from shared.net.tiling import TILE_SIZE
from worker import metrics
from worker.batcher import Levels, Tiles
from worker.metrics import Stage

log = logging.getLogger(__name__)

_BARE_SECONDS = 1.0
_TRIAL_SECONDS = 0.3
_WORTH_DOUBLING = 1.05  # a batch twice as large has to be this much faster
_WINDOW_SECONDS = 30.0
BATCH_ON_CPU, _MAX_BATCH_ON_GPU = 4, 128


def bare_rate(
    predict: Callable[[Tiles], Levels], *, batch_size: int, threads: int, seconds: float = _BARE_SECONDS
) -> float:
    """Images of 512×512 a second that the network does by itself, `threads` batches at a time, tiles in memory.

    It should be warm: nothing is left out of the measurement. Raises what `predict` raises.
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


def batch_size_for(predict: Callable[[Tiles], Levels], *, on_cpu: bool, threads: int) -> int:
    """The batch size where nobody asked for one: on a GPU found by trying, see `best_batch_size`."""
    # On a CPU larger batches bring memory and no speed: compare `python -m benchmarks.scale` with BATCH_SIZE=8.
    return BATCH_ON_CPU if on_cpu else best_batch_size(predict, threads=threads, most=_MAX_BATCH_ON_GPU)


def best_batch_size(predict: Callable[[Tiles], Levels], *, threads: int, most: int) -> int:
    """The batch size from which on larger ones bring nothing, or do not fit in memory: 1, 2, 4, … up to `most`.

    Raises:
        DeviceOutOfMemory: not even one tile fits.
    """
    best, best_rate = 1, 0.0
    size = 1
    while size <= most:
        try:
            bare_rate(predict, batch_size=size, threads=threads, seconds=0.0)  # its first batch is slower
            rate = bare_rate(predict, batch_size=size, threads=threads, seconds=_TRIAL_SECONDS)
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
class Threads:
    """Stages that share so many threads: each is busy in one of them, or waits for another part of the work."""

    count: int
    stages: Sequence[Stage]

    def busy_seconds(self) -> list[float]:
        """Of each stage, so far."""
        return [stage.busy_seconds for stage in self.stages]


@dataclass(frozen=True)
class _Snapshot:
    at: float
    images: int
    working_seconds: float
    busy_seconds: list[list[float]]


class Speed:
    """The worker's speed over the last half minute of its work, time without work left out.

    The stage whose threads are busiest limits: the others wait for it.

    Args:
        bare_rate: images a second of the network by itself.
        threads: all that can limit.
        clock: seconds.
    """

    def __init__(
        self, bare_rate: float, threads: Sequence[Threads], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bare_rate = bare_rate
        self._threads = threads
        self._clock = clock
        self._lock = Lock()
        self._images = 0
        self._in_work = 0
        self._working_seconds = 0.0
        self._changed_at = clock()
        self._snapshots = deque([self._snapshot()])

    @contextmanager
    def working(self) -> Iterator[None]:
        """There is work inside of this."""
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
        """The speed since half a minute ago, or since the call before that."""
        with self._lock:
            self._advance()
            now = self._snapshot()
            self._snapshots.append(now)
            while len(self._snapshots) > 2 and self._snapshots[1].at <= now.at - _WINDOW_SECONDS:
                self._snapshots.popleft()
            before = self._snapshots[0]
        seconds = now.working_seconds - before.working_seconds
        if seconds <= 0:
            return Performance(None, self._bare_rate, None)
        return Performance((now.images - before.images) / seconds, self._bare_rate, self._limiting(before, now))

    def _limiting(self, before: _Snapshot, now: _Snapshot) -> str | None:
        best: tuple[float, str | None] = (0.0, None)
        for threads, earlier, later in zip(self._threads, before.busy_seconds, now.busy_seconds, strict=True):
            busy = [late - early for early, late in zip(earlier, later, strict=True)]
            longest = threads.stages[busy.index(max(busy))].name
            best = max(best, (sum(busy) / threads.count, longest), key=lambda pair: pair[0])
        return best[1]

    def _advance(self) -> None:
        now = self._clock()
        if self._in_work:
            self._working_seconds += now - self._changed_at
        self._changed_at = now

    def _snapshot(self) -> _Snapshot:
        busy = [threads.busy_seconds() for threads in self._threads]
        return _Snapshot(self._changed_at, self._images, self._working_seconds, busy)


def stages_in(*, loading: int, storing: int, network: int, committing: int) -> list[Threads]:
    """The worker's stages, by the threads that each kind of work has."""
    return [
        Threads(loading, (metrics.FETCH, metrics.DECODE)),
        Threads(network, (metrics.NETWORK,)),
        Threads(storing, (metrics.ENCODE, metrics.STORE)),
        Threads(committing, (metrics.COMMIT,)),
    ]
