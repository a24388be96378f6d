"""Is this GPU right and fast? One command that tries what no machine without a GPU can, and prints a report to send.

    make gpu-check                        # on the first GPU
    make gpu-check ARGS="--device cpu"    # what can be tried without one

Each part runs even where another failed. Ends with 0 where all parts went well, 1 where one failed, and 2 where there
is no such device.
"""

import argparse
import gc
import itertools
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

import training
from benchmarks import machine
from benchmarks.images import tiles
from shared.config import DEFAULT_MODEL
from shared.errors import DelineateError, DeviceOutOfMemory
from shared.net.device import resolve_device
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE
from training.config import load_config
from training.data.open import open_data
from training.recipe.distributed import DistributedContext
from training.recipe.loop import TrainingRun

_SMOKE = Path(training.__file__).parent / "configs" / "smoke.yaml"
_MOST_TILES = 4096  # that a memory error is looked for with
_MAX_DIFFERENCE = 0.005  # share of the pixels, in the mean; docs/trusting-results.md
_GROWTH = 1.1  # of memory, from the tenth model to the last


@dataclass(frozen=True)
class Checked:
    """What is tried, and how thoroughly."""

    device: torch.device
    model: Path
    images: int
    switches: int
    most_in_batch: int

    @property
    def is_gpu(self) -> bool:
        """Whether it has memory and queues of its own."""
        return self.device.type == "cuda"

    def load(self, precision: str = "auto") -> Predictor:
        """Return the network on the device."""
        return Predictor.load(self.model, str(self.device), precision)


Part = Callable[[Checked], Iterator[str]]
"""Yields the lines of its report; raises where something is wrong."""


class Wrong(Exception):
    """A part found what must not be; one line."""


def about(checked: Checked) -> Iterator[str]:
    """Tell what this is."""
    for name, value in machine.described().items():
        yield f"{name}: {value}"
    yield f"torch's CUDA: {torch.version.cuda}"
    if checked.is_gpu:
        major, minor = torch.cuda.get_device_capability(checked.device)
        yield f"compute capability: {major}.{minor}, torch has kernels for {', '.join(torch.cuda.get_arch_list())}"
        yield f"driver: {_said('nvidia-smi', '--query-gpu=driver_version,memory.total', '--format=csv,noheader')}"


def masks(checked: Checked) -> Iterator[str]:
    """Compare masks with those of a CPU in float32: in each arithmetic, and alone with those of a batch."""
    pictures = tiles(checked.images)
    reference = Predictor.load(checked.model, "cpu", "fp32")
    foreground = round(reference.threshold * 255)
    expected = _levels(reference, pictures, 1)
    for precision in ("fp32", "bf16", "fp16") if checked.is_gpu else ("fp32", "bf16"):
        predictor = checked.load(precision)
        alone, together = _levels(predictor, pictures, 1), _levels(predictor, pictures, 8)
        shares = ((alone >= foreground) != (expected >= foreground)).mean(axis=(1, 2))
        batched = ((alone >= foreground) != (together >= foreground)).mean()
        yield (
            f"{predictor.precision}: {shares.mean():.4%} of the pixels differ from a CPU's in float32, at most "
            f"{shares.max():.4%} in an image; {batched:.4%} between batches of 1 and of 8"
        )
        if shares.mean() > _MAX_DIFFERENCE:
            raise Wrong(f"{predictor.precision} differs in more than {_MAX_DIFFERENCE:.1%} of the pixels")


def memory_error(checked: Checked) -> Iterator[str]:
    """Ask for larger and larger batches until one does not fit, and see that a small one does afterwards."""
    if not checked.is_gpu:
        yield "not tried: a CPU's memory is everybody's"
        return
    predictor, size = checked.load(), 64
    before = predictor.predict_tiles(tiles(1))
    while size <= _MOST_TILES:
        try:
            predictor.predict_tiles(np.zeros((size, TILE_SIZE, TILE_SIZE), np.float32))
        except DeviceOutOfMemory as error:
            yield f"{size} tiles: {error}"
            break
        size *= 2
    else:
        yield f"{_MOST_TILES} tiles fit: no memory error was met"
        return
    held = torch.cuda.memory_reserved(checked.device) >> 20
    if not np.array_equal(predictor.predict_tiles(tiles(1)), before):
        raise Wrong("a tile has another answer after the memory error")
    yield f"one tile has the same answer as before; {held} MiB were kept after the error"


def switches(checked: Checked) -> Iterator[str]:
    """Load, use and drop the network many times: memory must not grow."""
    seen: list[int] = []
    picture = tiles(1)
    expected = checked.load().predict_tiles(picture)
    for _ in range(checked.switches):
        predictor = checked.load()
        # At once, while whatever loading has queued may still be under way.
        if not np.array_equal(predictor.predict_tiles(picture), expected):
            raise Wrong(f"the network that was loaded as number {len(seen) + 1} has another answer")
        del predictor
        gc.collect()
        seen.append(_memory(checked))
    early = seen[min(9, len(seen) - 1)]
    yield f"{len(seen)} networks, one after the other: {early >> 20} MiB at the tenth, {seen[-1] >> 20} MiB at the last"
    if checked.is_gpu and seen[-1] > _GROWTH * early:
        raise Wrong("memory grows from network to network")


def rates(checked: Checked) -> Iterator[str]:
    """Measure images a second by the size of the batch."""
    predictor = checked.load()
    yield f"in {predictor.precision}, 512×512:"
    size = 1
    while size <= checked.most_in_batch:
        batch = np.ascontiguousarray(np.resize(tiles(min(size, 8)), (size, TILE_SIZE, TILE_SIZE)))
        try:
            predictor.answer_tiles(batch)
            started, passes = time.perf_counter(), 0
            while passes < 2 or time.perf_counter() - started < 1:
                predictor.answer_tiles(batch)
                passes += 1
        except DeviceOutOfMemory:
            yield f"  {size}: does not fit"
            return
        yield f"  {size}: {passes * size / (time.perf_counter() - started):.1f} images/s"
        size *= 2


def training_steps(checked: Checked) -> Iterator[str]:
    """Take some steps of training, in the arithmetic that a GPU's configs have."""
    arithmetics = ("bf16", "fp16") if checked.is_gpu else ("fp32",)
    for precision in arithmetics:
        config = load_config(
            _SMOKE, (f"precision={precision}", "optimiser.kind=muon", "model.arguments.likelihood=false")
        )
        source = open_data(config.data, seed=0, batch_size=config.optimiser.batch_size, device=checked.device)
        run = TrainingRun(config, source, DistributedContext(checked.device))
        started = time.perf_counter()
        for _ in itertools.islice(run.steps(), 5):
            pass
        loss = run.metrics.take()["total"]
        seconds = time.perf_counter() - started
        yield f"{precision}: {run.position.images} images in {seconds:.1f} s, loss {loss:.3f}"
        if not np.isfinite(loss):
            raise Wrong(f"the loss in {precision} is {loss}")


def sanitizers(checked: Checked) -> Iterator[str]:
    """Have the order of streams, and accesses to memory, watched by those who know."""
    if not checked.is_gpu:
        yield "not tried: they watch GPUs"
        return
    alone = [sys.executable, "-m", "benchmarks.gpu_check", "--only", "switches", "--switches", "3"]
    yield f"torch's, for streams: {_ended('env', 'TORCH_CUDA_SANITIZER=1', *alone)}"
    if shutil.which("compute-sanitizer") is None:
        yield "compute-sanitizer: not installed (it comes with the CUDA toolkit)"
        return
    yield f"compute-sanitizer, for memory: {_ended('compute-sanitizer', '--error-exitcode', '9', *alone)}"


PARTS: dict[str, Part] = {
    "about": about,
    "masks": masks,
    "memory error": memory_error,
    "switches": switches,
    "rates": rates,
    "training": training_steps,
    "sanitizers": sanitizers,
}


def report(checked: Checked, names: Sequence[str], say: Callable[[str], None] = print) -> list[str]:
    """Run parts, say what they found, and return the names of those that failed."""
    failed = []
    for name in names:
        say(f"\n## {name}\n")
        try:
            for line in PARTS[name](checked):
                say(line)
        except Exception as error:
            failed.append(name)
            say(f"FAILED: {type(error).__name__}: {error}")
            if not isinstance(error, Wrong | DelineateError):
                say(traceback.format_exc())
    say(f"\n{'all parts went well' if not failed else 'FAILED: ' + ', '.join(failed)}: please send this report")
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="make gpu-check", description="Try a GPU, and print a report to send.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for what can be tried without a GPU")
    parser.add_argument(
        "--model", type=Path, default=DEFAULT_MODEL, help="checkpoint folder (default: the shipped one)"
    )
    parser.add_argument("--images", type=int, default=16, help="that masks are compared on")
    parser.add_argument("--switches", type=int, default=50, help="of the network")
    parser.add_argument("--most-in-batch", type=int, default=64)
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part; may be given several times")
    options = parser.parse_args(arguments)
    try:
        device = resolve_device(options.device)
    except DelineateError as error:
        print(f'gpu-check: {error} (make gpu-check ARGS="--device cpu" tries what can be tried there)', file=sys.stderr)
        return 2
    checked = Checked(device, options.model, options.images, options.switches, options.most_in_batch)
    return 1 if report(checked, options.only or list(PARTS)) else 0


def _levels(predictor: Predictor, pictures: NDArray[np.float32], batch_size: int) -> NDArray[np.uint8]:
    parts = range(0, len(pictures), batch_size)
    return np.concatenate([predictor.predict_tiles(pictures[first : first + batch_size]) for first in parts])


def _memory(checked: Checked) -> int:
    return torch.cuda.memory_reserved(checked.device) if checked.is_gpu else psutil.Process().memory_info().rss


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not here"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return " ".join((done.stdout or done.stderr).split())


def _ended(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise Wrong(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return "nothing found"


if __name__ == "__main__":
    sys.exit(main())
