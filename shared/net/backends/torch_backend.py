"""The network run by torch, on a CPU or a GPU."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.errors import DeviceOutOfMemory
from shared.net.backends.contract import PROBABILITY_LEVELS, Answer, Backend, DeviceMemory
from shared.net.checkpoint import LoadedModel
from shared.net.device import resolve_device, resolve_precision
from shared.net.inference import ByImage, as_graph, for_inference
from shared.net.network import Network, Trunk


class TorchBackend(Backend):
    """Threads may call it at once. On a GPU each has a stream and page-locked buffers of its own.

    So two threads are enough for the copies of one batch to overlap with the network's work on another.
    """

    def __init__(self, net: Network, device: torch.device, dtype: torch.dtype) -> None:
        ready = for_inference(net, dtype)
        self._stem, self._trunk = ready.stem, cast(nn.Module, Trunk(ready))
        if device.type == "cpu":
            self._stem = ByImage(as_graph(self._stem, torch.float32, 1))
            self._trunk = as_graph(self._trunk, dtype, ready.stem_channels)
        self._device = device
        self._dtype = dtype
        self._of_thread = threading.local()

    @classmethod
    def open(cls, model: LoadedModel, *, device: str, precision: str) -> Self:
        """Put a model on "auto", "cpu", "cuda" or "cuda:N", see `Backend` and `shared.net.device`."""
        where = resolve_device(device)
        dtype = resolve_precision(precision, where)
        with _memory_errors(f"the model does not fit in the memory of {where}: free some of it"):
            return cls(model.net.to(where), where, dtype)

    @property
    def device_name(self) -> str:
        """The device in words: "cpu", or "cuda:0 (NVIDIA H100)"."""
        if self._device.type == "cpu":
            return "cpu"
        return f"{self._device} ({torch.cuda.get_device_name(self._device)})"

    @property
    def precision(self) -> str:
        """The convolutions' arithmetic: "float32", "bfloat16" or "float16"."""
        return str(self._dtype).removeprefix("torch.")

    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the foreground probabilities of tiles (N, H, W), see `Backend`."""
        with self._running(len(tiles)):
            result: NDArray[np.float32] = self._run(torch.from_numpy(tiles).to(self._device))[0].cpu().numpy()
            return result

    def levels(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the same in 255ths, quantised on the device."""
        return self._levels_and_features(tiles)[0]

    def answers(self, tiles: NDArray[np.float32]) -> list[Answer]:
        """Return the levels of each tile with its pooled features, from one pass."""
        levels, features = self._levels_and_features(tiles)
        return [Answer(each, tuple(depth[index] for depth in features)) for index, each in enumerate(levels)]

    def memory(self) -> DeviceMemory | None:
        """Return how full the GPU's memory is; None on a CPU."""
        if self._device.type != "cuda":
            return None
        free, total = torch.cuda.mem_get_info(self._device)
        return DeviceMemory(
            allocated=torch.cuda.memory_allocated(self._device),
            reserved=torch.cuda.memory_reserved(self._device),
            free=free,
            total=total,
        )

    def use_one_core_a_call(self) -> None:
        """Switch torch's own threads off, for the whole process."""
        torch.set_num_threads(1)

    def _levels_and_features(self, tiles: NDArray[np.float32]) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
        with self._running(len(tiles)):
            if self._device.type == "cuda":
                return self._stream().answers(tiles, self._run_quantised)
            levels, *features = self._run_quantised(torch.from_numpy(tiles))
            return levels.numpy(), [each.numpy() for each in features]

    def _run(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """(N, H, W) on the device → probabilities (N, H, W) and pooled features there, float32."""
        folded = self._stem(tiles[:, None])
        results: tuple[Tensor, ...] = self._trunk(folded.contiguous(memory_format=torch.channels_last))
        return results

    def _run_quantised(self, tiles: Tensor) -> tuple[Tensor, ...]:
        probabilities, *features = self._run(tiles)
        return _quantise(probabilities), *features

    @contextmanager
    def _running(self, batch_size: int) -> Iterator[None]:
        # A CPU's graphs have their casts in themselves.
        reduced = self._dtype != torch.float32 and self._device.type != "cpu"
        autocast = torch.autocast(self._device.type, self._dtype, enabled=reduced)
        too_large = f"a batch of {batch_size} tiles does not fit in the memory of {self._device}: use a smaller batch"
        with torch.inference_mode(), autocast, _memory_errors(too_large):
            yield

    def _stream(self) -> "Stream":
        """The stream and buffers of the calling thread."""
        stream: Stream | None = getattr(self._of_thread, "stream", None)
        if stream is None:
            stream = self._of_thread.stream = Stream(self._device)
        return stream


class Stream:
    """A CUDA stream with the page-locked host memory that its copies need to run beside other streams' kernels."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # torch's classes of CUDA have no types.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # Waited for without spinning: the core is wanted by decoders and encoders.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._sent = self._received = torch.empty(0)

    def answers(
        self, tiles: NDArray[np.float32], run: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
        """Copy the tiles to the device, `run` them there, and return what came back: levels, and pooled features."""
        size = tiles.size
        if len(self._sent) < size:
            self._sent = torch.empty(size, dtype=torch.float32, pin_memory=True)
            self._received = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        sent, received = self._sent[:size].view(tiles.shape), self._received[:size].view(tiles.shape)
        sent.copy_(torch.from_numpy(tiles))
        with torch.cuda.stream(self._stream):
            batch = sent.to(self._device, non_blocking=True)
            levels, *features = run(batch)
            received.copy_(levels, non_blocking=True)
            # Some kilobytes, which are not worth page-locked memory.
            pooled = [each.to("cpu", non_blocking=True) for each in features]
            self._done.record(self._stream)
        # Before the buffers are read, or written by the next batch.
        self._done.synchronize()
        return received.numpy().copy(), [each.numpy() for each in pooled]


def _quantise(probabilities: Tensor) -> Tensor:
    """Probabilities in 255ths; overwrites its argument."""
    return probabilities.mul_(PROBABILITY_LEVELS).round_().to(torch.uint8)


@contextmanager
def _memory_errors(reason: str) -> Iterator[None]:
    """Turn the device's out-of-memory error into ours, and leave its cache empty for something smaller."""
    try:
        yield
    except RuntimeError as error:
        # On the CPU running out of memory is a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        torch.cuda.empty_cache()
        raise DeviceOutOfMemory(reason) from error
