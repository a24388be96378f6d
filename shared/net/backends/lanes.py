"""CUDA streams with the page-locked host memory that their copies need, owned by the process.

Each stream keeps memory of its own in torch's allocator, so there are no more of them than calls at a time, whatever
threads make those calls and for how many networks.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Lane:
    """A CUDA stream with its page-locked buffers, which let its copies run beside other streams' kernels."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # torch's classes of CUDA have no types.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # Waited for without spinning: the core is wanted by decoders and encoders.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._sent = self._received = torch.empty(0)

    def answers(
        self, tiles: NDArray[np.float32], run: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> tuple[NDArray[np.uint8], ...]:
        """Copy the tiles to the device, `run` them there, and return what came back: levels, and some small arrays."""
        size, shape = tiles.size, (len(tiles), *tiles.shape[-2:])
        if len(self._sent) < size:
            self._sent = torch.empty(size, dtype=torch.float32, pin_memory=True)
            self._received = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        sent, received = self._sent[:size].view(tiles.shape), self._received[: math.prod(shape)].view(shape)
        sent.copy_(torch.from_numpy(tiles))
        with torch.cuda.stream(self._stream):
            batch = sent.to(self._device, non_blocking=True)
            levels, *others = run(batch)
            received.copy_(levels, non_blocking=True)
            # Some kilobytes, which are not worth page-locked memory.
            small = [each.to("cpu", non_blocking=True) for each in others]
            self._done.record(self._stream)
        # Before the buffers are read, or written by the next batch.
        self._done.synchronize()
        return received.numpy().copy(), *(each.numpy() for each in small)


class Lanes:
    """The lanes of one device; each is lent to one call at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = Lock()
        self._free: list[Lane] = []

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """Lend the lane that was used last, so that few are used; a new one where all are lent."""
        with self._lock:
            lane = self._free.pop() if self._free else None
        lane = lane or Lane(self._device)
        try:
            yield lane
        finally:
            with self._lock:
                self._free.append(lane)


_lanes: dict[torch.device, Lanes] = {}
_lock = Lock()


def lanes_of(device: torch.device) -> Lanes:
    """Return the lanes that all networks of this process share on a device."""
    with _lock:
        return _lanes.setdefault(device, Lanes(device))
