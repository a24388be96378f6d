"""What the path through a GPU does and in which order, with a CPU in its place."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from shared.errors import DeviceFailed, DeviceOutOfMemory
from shared.net.architectures import build
from shared.net.backends import lanes
from shared.net.backends.torch_backend import TorchBackend
from shared.net.checkpoint import load_checkpoint
from shared.net.device import resolve_precision, use_exact_float32
from shared.net.predictor import Predictor
from tests.unit.net.conftest import TINY

CUDA = torch.device("cuda:0")
TILES = np.random.default_rng(0).standard_normal((2, 128, 128), dtype=np.float32)


class Recorder(TorchDispatchMode):
    """Notes each operation of torch in the order of their calls."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.append(str(function))
        return function(*args, **(kwargs or {}))


class LaneOnCpu:
    """Runs the network where it is; notes when it was made."""

    calls: list[str] = []  # noqa: RUF012 - of one test

    def __init__(self, _device: torch.device) -> None:
        self.calls.append("lane")

    def answers(self, tiles: Any, run: Any) -> tuple[Any, ...]:
        self.calls.append("run")
        return tuple(each.numpy() for each in run(torch.from_numpy(tiles)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A CUDA that notes what is asked of it; its lanes run on the CPU."""
    noted: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: noted.append(f"synchronize {device}"))
    monkeypatch.setattr(LaneOnCpu, "calls", noted)
    monkeypatch.setattr(lanes, "Lane", LaneOnCpu)
    monkeypatch.setattr(lanes, "_lanes", {})
    return noted


def on_gpu() -> TorchBackend:
    torch.manual_seed(0)
    return TorchBackend(build("attention_unet", TINY).eval(), CUDA, torch.float32)


def test_weights_are_ready_before_any_lane_can_use_them(calls):
    with Recorder(calls):
        backend = on_gpu()
    assert len(calls) > 1
    assert calls[-1] == "synchronize cuda:0"
    backend.answers(TILES)
    assert [call for call in calls if not call.startswith("aten")][:3] == ["synchronize cuda:0", "lane", "run"]


def test_three_networks_and_many_threads_share_as_many_lanes_as_calls_at_a_time(calls, monkeypatch):
    together = threading.Barrier(2, timeout=60)
    answers = LaneOnCpu.answers

    def two_at_once(self: LaneOnCpu, tiles: Any, run: Any) -> tuple[Any, ...]:
        together.wait()
        return answers(self, tiles, run)

    monkeypatch.setattr(LaneOnCpu, "answers", two_at_once)
    for backend in [on_gpu() for _ in range(3)]:
        with ThreadPoolExecutor(2) as pool:  # new threads each time
            list(pool.map(lambda _: backend.answers(TILES), range(4)))  # noqa: B023 - ends within the loop
    assert calls.count("lane") == 2


def test_what_a_lane_gives_is_what_the_network_gives(calls, checkpoint):
    model = load_checkpoint(checkpoint)
    expected = Predictor.load(checkpoint, "cpu", "fp32").answer_tiles(TILES)
    found = TorchBackend(model.net, CUDA, torch.float32).answers(TILES)
    for one, two in zip(found, expected, strict=True):
        assert np.abs(one.levels.astype(int) - two.levels).max() <= 1
        assert one.is_finite
        for ours, theirs in zip(one.features, two.features, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be …"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        RuntimeError("CUDA error: out of memory"),  # of page-locked memory
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_memory_that_runs_out_is_known_by_class_or_words(calls, error, monkeypatch):
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    backend = on_gpu()
    monkeypatch.setattr(backend, "_trunk", raising(error))
    with pytest.raises(DeviceOutOfMemory, match="batch of 2 tiles"):
        backend.answers(TILES)
    assert emptied


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be …"),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(…)`"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_a_device_that_is_lost_is_told_apart_in_one_line(calls, error, monkeypatch):
    backend = on_gpu()
    monkeypatch.setattr(backend, "_trunk", raising(error))
    with pytest.raises(DeviceFailed, match="only a new one can use the device") as caught:
        backend.answers(TILES)
    assert "\n" not in str(caught.value)


def test_any_other_error_stays_what_it_is(calls, monkeypatch):
    backend = on_gpu()
    monkeypatch.setattr(backend, "_trunk", raising(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        backend.answers(TILES)


def test_when_memory_runs_out_the_batch_is_gone_before_the_cache_is_emptied(calls, monkeypatch):
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def too_large(batch: torch.Tensor) -> torch.Tensor:
        activations = batch * 2
        held.append(weakref.ref(activations))
        try:
            raise ValueError("inside")
        except ValueError as error:
            raise torch.OutOfMemoryError("CUDA out of memory") from error

    gc.disable()  # nothing may hang in a circle
    try:
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(held[0]() is not None))
        backend = on_gpu()
        monkeypatch.setattr(backend, "_trunk", too_large)
        with pytest.raises(DeviceOutOfMemory) as caught:
            backend.answers(TILES)
    finally:
        gc.enable()
    assert alive == [False]
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_bfloat16_is_for_gpus_that_have_it_in_hardware(capability, dtype, monkeypatch):
    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # as it says of what is emulated, too
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: asked.append(device) or capability)
    assert resolve_precision("auto", torch.device("cuda:1")) is dtype
    assert asked == [torch.device("cuda:1")]
    assert resolve_precision("bf16", CUDA) is torch.bfloat16  # who asks for it has it


def test_float32_is_no_tensor_float_on_a_gpu():
    before = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    try:
        torch.backends.cudnn.conv.fp32_precision = "tf32"
        use_exact_float32()
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    finally:
        torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = before


def raising(error: Exception) -> Any:
    def call(*_: Any) -> Any:
        raise error

    return call


class TestNumbers:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_an_answer_of_no_numbers_says_so(self, checkpoint, value):
        predictor = Predictor.load(checkpoint, "cpu", "fp32")
        tiles = TILES.copy()
        tiles[1, 5, 7] = value  # as a layer would hand it on
        first, second = predictor.answer_tiles(tiles)
        assert first.is_finite
        assert not second.is_finite
