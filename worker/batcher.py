"""The thread or threads that run the network, on batches of tiles pooled across images and shards.

Tiles have one of a few sizes (`shared.net.tiling`), and those of a batch one size. A large one counts for as many of
512×512 as its area has.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Condition, Thread, local
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import DeviceFailed, DeviceOutOfMemory
from shared.net.backends.contract import Answer
from shared.net.device_errors import let_go_of_frames
from shared.net.tiling import TILE_SIZE
from worker import metrics
from worker.gate import Gate

log = logging.getLogger(__name__)

Tiles = NDArray[np.float32]
"""B×H×W, or B×C×H×W for a model of several channels, standardised: the network's input."""

Submit = Callable[[NDArray[np.float32]], Future[Answer]]
"""Queues a tile H×W, or C×H×W, see `Batcher.submit`."""

T = TypeVar("T")
"""What the network says of a tile."""

_MAX_WAIT_SECONDS = 0.005  # for a fuller batch, while more tiles are known to be coming
_BATCHES_BEFORE_GROWING = 100  # without running out of memory, after it once did; doubled where it does again
_MOST_BATCHES_BEFORE_GROWING = 10_000


@dataclass(frozen=True, eq=False)
class _Request(Generic[T]):
    tile: NDArray[np.float32]
    urgent: bool = False
    answer: "Future[T]" = field(default_factory=Future)


class Batcher(Generic[T]):
    """Collects tiles (H×W) into batches of one shape and answers each with its own future.

    A GPU has two threads: while one batch is in work, the other is copied there or back. A CPU has one for each core,
    every one with batches of its own, instead of one batch that all cores work on: those would wait for one another
    after each layer, and each time for the slowest, which the other work of the process has pushed aside.

    A batch that does not fit in memory is halved and tried again while no other is in work, and later batches are that
    small too, until enough of them went well. A batch that fails otherwise is halved as well, down to the tile at
    fault, so that an error reaches nobody else. Where the device itself is lost, so are all tiles, those to come too.

    Args:
        predict: the network, called from the batcher's threads alone, with an answer for each tile, or an error that
            is this tile's alone; the tiles are its own until it returns.
            DeviceOutOfMemory or MemoryError where the batch is too large.
        batch_size: most tiles of 512×512 in one call of `predict`, or as many pixels; a larger one goes by itself.
        threads: calls of `predict` at a time.
        on_batch: called after each batch that went well.
        is_lost: asked after an error that is not about memory, whether the device answers nobody any more.
        powers_of_two: whether batches have 1, 2, 4, … tiles alone: a GPU's libraries prepare for each size anew.
        gate: of all batchers on one device, whose memory they share.
    """

    def __init__(
        self,
        predict: Callable[[Tiles], Iterable[T | Exception]],
        *,
        batch_size: int,
        threads: int = 1,
        on_batch: Callable[[], None] = lambda: None,
        is_lost: Callable[[], bool] = lambda: False,
        powers_of_two: bool = False,
        gate: Gate | None = None,
    ) -> None:
        self._predict = predict
        self._batch_size = batch_size
        self._limit = batch_size
        self._batches_at_limit = 0
        self._batches_before_growing = _BATCHES_BEFORE_GROWING
        self._has_grown = False  # since it last ran out of memory
        self._on_batch = on_batch
        self._is_lost = is_lost
        self._powers_of_two = powers_of_two
        self._gate = gate or Gate()
        self._lost: DeviceFailed | None = None
        self._changed = Condition()
        self._requests: deque[_Request[T]] = deque()  # the urgent ones before all others
        self._coming = 0
        self._closed = False
        self._of_thread = local()
        self._threads = [Thread(target=self._run, name=f"batcher-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, tile: NDArray[np.float32], *, urgent: bool = False) -> "Future[T]":
        """Queue one tile; its future gives the network's answer, or DeviceOutOfMemory where it does not fit alone.

        An urgent one goes before those that are not, in a batch without them.

        Raises:
            RuntimeError: the batcher is closed.
            DeviceFailed: the device is lost.
        """
        request: _Request[T] = _Request(tile, urgent)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            if self._lost is not None:
                raise DeviceFailed(str(self._lost))
            if urgent:
                self._requests.insert(sum(1 for _ in takewhile(_is_urgent, self._requests)), request)
            else:
                self._requests.append(request)
            self._changed.notify()
        return request.answer

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Say that more tiles will be submitted soon: only then a batch that is not full waits a little."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify()

    def close(self) -> None:
        """Answer what is queued and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Request[T]]:
        """Wait for tiles; empty when the batcher was closed."""
        with self._changed:
            batch: list[_Request[T]] = []
            while not batch and self._changed.wait_for(lambda: self._requests or self._closed):
                if not self._requests:
                    break
                self._wait_for_more()
                # Another thread may have taken all of them meanwhile; then this one waits again.
                batch = self._take(-(-len(self._requests) // len(self._threads)))
            if self._requests:
                self._changed.notify()
            return batch

    def _take(self, most: int) -> list[_Request[T]]:
        """Take up to `most` requests off the queue, all like the first, as far as they fit into a batch."""
        if not self._requests:
            return []
        kind = _kind(self._requests[0])
        most = min(most, max(self._limit // _weight(self._requests[0]), 1))
        if self._powers_of_two:
            alike = sum(1 for request in self._requests if _kind(request) == kind)
            most = 1 << (min(most, alike).bit_length() - 1)
        batch: list[_Request[T]] = []
        others: list[_Request[T]] = []
        while self._requests and len(batch) < most:
            request = self._requests.popleft()
            (batch if _kind(request) == kind else others).append(request)
        self._requests.extendleft(reversed(others))
        return batch

    def _wait_for_more(self) -> None:
        """Wait a little for a fuller batch, while more tiles are coming and none is urgent."""
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while len(self._requests) < self._limit and self._coming and not self._closed:
            if self._requests and self._requests[0].urgent:
                return
            if not self._changed.wait(deadline - time.monotonic()):
                return

    def _answer(self, batch: Sequence[_Request[T]]) -> None:
        error = self._try(batch, self._gate.shared)
        if error is None:
            return
        # Nobody else is in the network from here on: what another batch holds of the memory is free for this one, and
        # of what this one held nothing is kept (`_try` let go of it).
        undecided = [(batch, error)]
        while undecided:
            failed, why = undecided.pop()
            tried = ((part, self._try(part, self._gate.alone)) for part in self._parts(failed, why))
            undecided += [(part, again) for part, again in tried if again is not None]

    def _try(self, batch: Sequence[_Request[T]], place: Callable[[], AbstractContextManager[None]]) -> Exception | None:
        """Answer a batch; return the error where that fails, without what its frames kept in memory."""
        if self._lost is not None:
            return self._lost
        try:
            with place(), metrics.NETWORK.time():
                answers = self._predict(self._gather(batch))
        except Exception as error:
            let_go_of_frames(error)
            return error
        metrics.BATCH_FILL.observe(min(len(batch) * _weight(batch[0]) / self._batch_size, 1.0))
        self._on_batch()
        self._grow_again()
        for request, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                request.answer.set_exception(answer)
            else:
                request.answer.set_result(answer)
        return None

    def _parts(self, batch: Sequence[_Request[T]], error: Exception) -> list[Sequence[_Request[T]]]:
        """Return the halves of a batch that failed; none where it is a single tile, or the device is lost."""
        half = len(batch) // 2
        if isinstance(error, DeviceOutOfMemory | MemoryError):
            self._shrink(len(batch), max(half * _weight(batch[0]), 1))
            error = DeviceOutOfMemory("not even one tile fits in the device's memory: free some of it")
        elif self._lost is not None or self._is_lost():
            self._give_up(batch, error)
            return []
        elif isinstance(error, DeviceFailed):
            # It answers others still, so this is about these tiles; not one to be tried for ever.
            error = RuntimeError(str(error))
        if half:
            return [batch[:half], batch[half:]]
        batch[0].answer.set_exception(error)
        return []

    def _shrink(self, tiles: int, limit: int) -> None:
        metrics.BATCHES_HALVED.inc()
        with self._changed:
            if self._has_grown:  # too far: the next time comes later
                self._batches_before_growing = min(2 * self._batches_before_growing, _MOST_BATCHES_BEFORE_GROWING)
                self._has_grown = False
            self._limit, self._batches_at_limit = min(self._limit, limit), 0
        log.warning("out of memory with %d tiles at once", tiles, extra={"action": "batch_halved"})

    def _give_up(self, batch: Sequence[_Request[T]], error: Exception) -> None:
        """Answer a batch, and all that wait, with the loss of the device."""
        lost = error if isinstance(error, DeviceFailed) else DeviceFailed(f"the device answers no more: {error}")
        with self._changed:
            self._lost = self._lost or lost
            waiting = [*batch, *self._requests]
            self._requests.clear()
        for request in waiting:
            request.answer.set_exception(DeviceFailed(str(self._lost)))

    def _gather(self, batch: Sequence[_Request[T]]) -> Tiles:
        """The batch's tiles in memory that this thread uses again and again: fresh memory costs a fault a page."""
        shape = batch[0].tile.shape
        size = len(batch) * batch[0].tile.size
        buffer: NDArray[np.float32] | None = getattr(self._of_thread, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._of_thread.buffer = np.empty(size, dtype=np.float32)
        return np.stack([request.tile for request in batch], out=buffer[:size].reshape(len(batch), *shape))

    def _grow_again(self) -> None:
        with self._changed:
            if self._limit == self._batch_size:
                return
            self._batches_at_limit += 1
            if self._batches_at_limit >= self._batches_before_growing:
                self._limit, self._batches_at_limit = min(2 * self._limit, self._batch_size), 0
                self._has_grown = True


def _is_urgent(request: _Request[Any]) -> bool:
    return request.urgent


def _kind(request: _Request[Any]) -> tuple[bool, tuple[int, ...]]:
    """What the requests of a batch have in common."""
    return request.urgent, request.tile.shape


def _weight(request: _Request[Any]) -> int:
    """How many tiles of 512×512 a request counts for."""
    return max(math.prod(request.tile.shape[-2:]) // TILE_SIZE**2, 1)
