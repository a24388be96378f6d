"""What a network costs: parameters, arithmetic, speed and memory.

    python -m training.cost --checkpoint shared/weights/default --device cpu      # prints JSON

Speed and memory on a CPU are measured in a process of its own, with two threads.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from shared.commandline import ExitCode, Parser, ended
from shared.errors import DelineateError
from shared.memory import peak_memory_mib
from shared.net.checkpoint import load_checkpoint
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE

CPU_THREADS = 2
_BATCHES = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class InferenceSpeed:
    """Throughput of inference on one device: 512×512 images in batches, with the copies to the device and back."""

    device: str
    precision: str
    batch_size: int
    images_per_second: float
    peak_memory_mib: float  # of the device, or of the whole process on a CPU


@dataclass(frozen=True)
class Cost:
    """What a network costs: all columns of the table."""

    parameters: int
    gflop: float  # per 512×512 image, a multiplication and an addition counted as two
    speeds: list[InferenceSpeed]


def measure_cost(checkpoint: Path, seconds: float = 5.0) -> Cost:
    """Measure the cost on this machine's CPU, and on its GPU where there is one.

    Args:
        checkpoint: folder or .safetensors file.
        seconds: for which each device computes at least.

    Raises:
        DelineateError: the checkpoint cannot be used, or the process that measures ended with an error.
    """
    parameters, gflop = arithmetic(load_checkpoint(checkpoint).net)
    speeds = [_in_a_process(checkpoint, seconds)]
    if torch.cuda.is_available():
        speeds.append(measure_speed(checkpoint, "cuda", seconds))
    return Cost(parameters, gflop, speeds)


def arithmetic(net: nn.Module) -> tuple[int, float]:
    """Count parameters, frozen ones too, and GFLOP per 512×512 image."""
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        net(torch.zeros(1, 1, TILE_SIZE, TILE_SIZE))
    return sum(parameter.numel() for parameter in net.parameters()), counter.get_total_flops() / 1e9


def measure_speed(checkpoint: Path, device: str, seconds: float) -> InferenceSpeed:
    """Measure the speed in this process, for at least so many seconds after a warm-up, on `cpu` or `cuda`."""
    predictor = Predictor.load(checkpoint, device)
    batch_size = _BATCHES[device]
    tiles = np.random.default_rng(0).standard_normal((batch_size, TILE_SIZE, TILE_SIZE), dtype=np.float32)
    predictor.predict_tiles(tiles)
    batches = 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds or batches == 0:
        predictor.predict_tiles(tiles)
        batches += 1
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_memory_mib()
    return InferenceSpeed(predictor.device_name, predictor.precision, batch_size, batches * batch_size / spent, peak)


def _in_a_process(checkpoint: Path, seconds: float) -> InferenceSpeed:
    command = [sys.executable, "-m", "training.cost", "--checkpoint", str(checkpoint), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode != 0:
        raise DelineateError(f"the speed could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    return InferenceSpeed(**json.loads(done.stdout))


def main() -> int:
    """Print the speed on one device as JSON."""
    parser = Parser("training.cost", "Measure the speed of inference.")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--device", choices=sorted(_BATCHES), default="cpu")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    return ended("training.cost", lambda: _print_speed(options.checkpoint, options.device, options.seconds))


def _print_speed(checkpoint: Path, device: str, seconds: float) -> int:
    torch.set_num_threads(CPU_THREADS)
    print(json.dumps(asdict(measure_speed(checkpoint, device, seconds))))
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main())
