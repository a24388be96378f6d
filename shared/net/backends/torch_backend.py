"""The network run by torch, on a CPU or a GPU."""

from collections.abc import Callable
from typing import Self, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.errors import DeviceOutOfMemory
from shared.net.backends.contract import PROBABILITY_LEVELS, Answer, Backend, DeviceMemory
from shared.net.backends.lanes import lanes_of
from shared.net.checkpoint import LoadedModel
from shared.net.device import resolve_device, resolve_precision, use_exact_float32
from shared.net.device_errors import let_go_of_frames, translated
from shared.net.inference import ByImage, as_graph, for_inference
from shared.net.network import Network, Trunk

T = TypeVar("T")


class TorchBackend(Backend):
    """Threads may call it at once. On a GPU each call has a stream and page-locked buffers to itself.

    So two threads are enough for the copies of one batch to overlap with the network's work on another.
    """

    def __init__(self, net: Network, device: torch.device, dtype: torch.dtype) -> None:
        ready = for_inference(net, dtype)
        self._stem, self._trunk = ready.stem, cast(nn.Module, Trunk(ready))
        self._front = ready.front
        if device.type == "cpu":
            self._stem = ByImage(as_graph(self._stem, torch.float32, ready.in_channels))
            self._trunk = as_graph(self._trunk, dtype, ready.stem_channels)
        self._device = device
        self._dtype = dtype
        if device.type == "cuda":
            # The weights were copied, folded and cast in this thread's stream, for which a lane's does not wait.
            torch.cuda.synchronize(device)

    @classmethod
    def open(cls, model: LoadedModel, *, device: str, precision: str) -> Self:
        """Put a model on "auto", "cpu", "cuda" or "cuda:N", see `Backend` and `shared.net.device`."""
        where = resolve_device(device)
        dtype = resolve_precision(precision, where)
        if where.type == "cuda":
            use_exact_float32()
        too_large = f"the model does not fit in the memory of {where}: free some of it"
        return _with_our_errors(lambda: cls(model.net.to(where), where, dtype), too_large)

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
        """Return the foreground probabilities of tiles, see `Backend`."""

        def run() -> NDArray[np.float32]:
            result: NDArray[np.float32] = self._run(torch.from_numpy(tiles).to(self._device))[0].cpu().numpy()
            return result

        return self._running(run, len(tiles))

    def levels(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the same in 255ths, quantised on the device."""
        return self._quantised(tiles)[0]

    def answers(self, tiles: NDArray[np.float32]) -> list[Answer]:
        """Return the levels of each tile with its pooled features, from one pass."""
        levels, finite, *features = self._quantised(tiles)
        return [
            Answer(each, tuple(depth[index] for depth in features), bool(finite[index]))
            for index, each in enumerate(levels)
        ]

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

    def _quantised(self, tiles: NDArray[np.float32]) -> tuple[NDArray[np.uint8], ...]:
        """Levels (N, H, W), whether each tile's probabilities are numbers (N,), and pooled features by depth."""

        def on_cpu() -> tuple[NDArray[np.uint8], ...]:
            return tuple(each.numpy() for each in self._run_quantised(torch.from_numpy(tiles)))

        def on_gpu() -> tuple[NDArray[np.uint8], ...]:
            with lanes_of(self._device).lane() as lane:
                return lane.answers(tiles, self._run_quantised)

        return self._running(on_cpu if self._device.type == "cpu" else on_gpu, len(tiles))

    def _run(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """(N, H, W) or (N, C, H, W) on the device → probabilities (N, H, W) and pooled features there, float32."""
        folded = self._front.folded(tiles[:, None] if tiles.ndim == 3 else tiles, self._stem)
        results: tuple[Tensor, ...] = self._trunk(folded.contiguous(memory_format=torch.channels_last))
        return results

    def _run_quantised(self, tiles: Tensor) -> tuple[Tensor, ...]:
        probabilities, *features = self._run(tiles)
        # A sum is no number where one of its terms is none. It takes some microseconds a tile.
        finite = probabilities.sum((1, 2)).isfinite()
        return _quantise(probabilities), finite, *features

    def _running(self, run: Callable[[], T], batch_size: int) -> T:
        # A CPU's graphs have their casts in themselves.
        reduced = self._dtype != torch.float32 and self._device.type != "cpu"
        too_large = f"a batch of {batch_size} tiles does not fit in the memory of {self._device}: use a smaller batch"

        def in_context() -> T:
            with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, enabled=reduced):
                return run()

        return _with_our_errors(in_context, too_large)


def _quantise(probabilities: Tensor) -> Tensor:
    """Probabilities in 255ths; overwrites its argument."""
    return probabilities.mul_(PROBABILITY_LEVELS).round_().to(torch.uint8)


def _with_our_errors(run: Callable[[], T], too_large: str) -> T:
    """Run something; a full or a lost device becomes our error, and what was half done is let go of before that.

    Raises:
        DeviceOutOfMemory: with `too_large` for its line; the device's cache is empty, for something smaller.
        DeviceFailed: the device is lost to this process.
    """
    try:
        return run()
    except RuntimeError as error:
        found = translated(error, too_large)
        if found is None:
            raise
        let_go_of_frames(error)
    # Out here nothing refers to torch's error any more, whose frames hold the tensors that filled the memory.
    if isinstance(found, DeviceOutOfMemory):
        torch.cuda.empty_cache()
    raise found
