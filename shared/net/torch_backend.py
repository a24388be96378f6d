"""The network run by torch, on a CPU or a GPU."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.errors import DeviceOutOfMemory
from shared.net.inference import ByImage, as_graph, for_inference
from shared.net.network import AfterStem, Network

PROBABILITY_LEVELS = 255
"""A quantised probability is round(p · PROBABILITY_LEVELS), one byte."""


class TorchBackend:
    """Threads may call it at once. On a GPU each has a stream and page-locked buffers of its own.

    So two threads are enough for the copies of one batch to overlap with the network's work on another.
    """

    def __init__(self, net: Network, device: torch.device, dtype: torch.dtype) -> None:
        ready = for_inference(net, dtype)
        self._stem, self._rest = ready.pixels, cast(nn.Module, AfterStem(ready))
        if device.type == "cpu":
            self._stem = ByImage(as_graph(self._stem, torch.float32, 1))
            self._rest = as_graph(self._rest, dtype, ready.stem_channels)
        self._device = device
        self._dtype = dtype
        self._of_thread = threading.local()

    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Foreground probabilities, float32 (N, H, W), of standardised tiles (N, H, W). Raises `DeviceOutOfMemory`."""
        with self._running(len(tiles)):
            result: NDArray[np.float32] = self._run(torch.from_numpy(tiles).to(self._device)).cpu().numpy()
            return result

    def levels(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The same in 255ths, uint8: quantised on the device, so that a quarter of the bytes come back."""
        with self._running(len(tiles)):
            if self._device.type == "cuda":
                return self._lane().levels(tiles, lambda batch: _quantise(self._run(batch)))
            result: NDArray[np.uint8] = _quantise(self._run(torch.from_numpy(tiles))).numpy()
            return result

    def _run(self, tiles: Tensor) -> Tensor:
        """(N, H, W) on the device → probabilities (N, H, W) there, float32."""
        folded = self._stem(tiles[:, None])
        probabilities: Tensor = self._rest(folded.contiguous(memory_format=torch.channels_last))
        return probabilities

    @contextmanager
    def _running(self, batch_size: int) -> Iterator[None]:
        # A CPU's graphs have their casts in themselves.
        reduced = self._dtype != torch.float32 and self._device.type != "cpu"
        autocast = torch.autocast(self._device.type, self._dtype, enabled=reduced)
        with torch.inference_mode(), autocast, _memory_errors(self._device, batch_size):
            yield

    def _lane(self) -> "Lane":
        """This thread's stream and buffers."""
        lane: Lane | None = getattr(self._of_thread, "lane", None)
        if lane is None:
            lane = self._of_thread.lane = Lane(self._device)
        return lane


class Lane:
    """A CUDA stream with the page-locked host memory that its copies need to run beside other streams' kernels."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # Waited for without spinning: the core is wanted by decoders and encoders.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._sent = self._received = torch.empty(0)

    def levels(self, tiles: NDArray[np.float32], run: Callable[[Tensor], Tensor]) -> NDArray[np.uint8]:
        """Copy the tiles to the device, `run` them there, and return what came back."""
        size = tiles.size
        if len(self._sent) < size:
            self._sent = torch.empty(size, dtype=torch.float32, pin_memory=True)
            self._received = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        sent, received = self._sent[:size].view(tiles.shape), self._received[:size].view(tiles.shape)
        sent.copy_(torch.from_numpy(tiles))
        with torch.cuda.stream(self._stream):
            batch = sent.to(self._device, non_blocking=True)
            received.copy_(run(batch), non_blocking=True)
            self._done.record(self._stream)
        # Before the buffers are read, or written by the next batch.
        self._done.synchronize()
        return received.numpy().copy()


def _quantise(probabilities: Tensor) -> Tensor:
    """Probabilities in 255ths; overwrites its argument."""
    return probabilities.mul_(PROBABILITY_LEVELS).round_().to(torch.uint8)


@contextmanager
def _memory_errors(device: torch.device, batch_size: int) -> Iterator[None]:
    """Turn the device's out-of-memory error into ours, and leave its cache empty for a smaller batch."""
    try:
        yield
    except RuntimeError as error:
        # On the CPU running out of memory is a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        torch.cuda.empty_cache()
        raise DeviceOutOfMemory(
            f"a batch of {batch_size} tiles does not fit in the memory of {device}: use a smaller batch"
        ) from error
