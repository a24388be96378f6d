"""The network alone, in a process of its own: tiles in memory, the worker's precision, batch and threads.

python -m benchmarks.bare_loop 512    # images a second, each time a number of images comes on standard input
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.config import CHECKOUT, DEFAULT_MODEL


class BareLoop:
    """The process, from the side of the benchmark."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def images_per_second(self, images: int) -> float:
        """Run this many, all cores at once."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        self._process.stdin.write(f"{images}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def bare_loop(
    environment: dict[str, str], model: Path = DEFAULT_MODEL, *, milliseconds: float = 0.0
) -> Iterator[BareLoop]:
    """A warm loop; `milliseconds` an image makes it one on the simulated device. Between two runs it sleeps."""
    command = [sys.executable, "-m", "benchmarks.bare_loop", str(model), str(milliseconds)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        loop = BareLoop(process)
        loop.images_per_second(16)
        yield loop
    finally:
        process.kill()
        process.wait()


def rate(
    predict: Callable[[NDArray[np.float32]], object], batch: NDArray[np.float32], images: int, threads: int
) -> float:
    """Images per second of `threads` threads that take batches in turns, `images` of them in all."""
    batches = iter(range(-(-images // len(batch))))
    lock = threading.Lock()

    def run() -> None:
        while True:
            with lock:
                if next(batches, None) is None:
                    return
            predict(batch)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return -(-images // len(batch)) * len(batch) / (time.perf_counter() - start)


def main() -> None:
    """Answer each line with a rate."""
    import os

    import torch

    from benchmarks.images import tiles
    from benchmarks.predictors import load
    from shared.config import load_settings
    from shared.net.predictor import Predictor

    settings = load_settings()
    model, milliseconds = Path(sys.argv[1]), float(sys.argv[2])
    predictor = load(milliseconds, model, "cpu") if milliseconds else Predictor.load(model, settings.worker_device)
    torch.set_num_threads(1)
    threads = len(os.sched_getaffinity(0)) if predictor.device_name == "cpu" else 1
    batch = tiles(settings.batch_size)
    for line in sys.stdin:
        print(rate(predictor.predict_tiles, batch, int(line), threads), flush=True)


if __name__ == "__main__":
    main()
