"""The network alone, in a process of its own: tiles in memory, the worker's precision, batch and threads."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import tiles
from benchmarks.predictors import load, shipped
from benchmarks.processes import Answering, answer_lines, answering
from shared.config import DEFAULT_MODEL, load_settings
from shared.net.device import usable_cores
from worker.memory import use_one_heap
from worker.throughput import batch_size_for


@contextmanager
def bare_loop(
    environment: Mapping[str, str], model: Path = DEFAULT_MODEL, *, milliseconds: float = 0.0
) -> Iterator[Answering]:
    """A warm loop that answers a number of images with images per second.

    `milliseconds` an image makes it one on the simulated device.
    """
    arguments = ["-m", "benchmarks.bare_loop", str(model), str(milliseconds)]
    with answering(arguments, environment) as loop:
        loop.ask(16)
        yield loop


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
    use_one_heap()
    settings = load_settings()
    model, milliseconds = Path(sys.argv[1]), float(sys.argv[2])
    predictor = load(milliseconds, model, "cpu") if milliseconds else shipped(model)
    predictor.use_one_core_a_call()
    on_cpu = predictor.device_name == "cpu"
    threads = usable_cores() if on_cpu else 2
    batch = tiles(settings.batch_size or batch_size_for(predictor.predict_tiles, on_cpu=on_cpu, threads=threads))
    answer_lines(lambda line: rate(predictor.predict_tiles, batch, int(line), threads))


if __name__ == "__main__":
    main()
