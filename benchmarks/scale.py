"""What changes with the number of workers, with the size of a folder, and over many thousand images.

    python -m benchmarks.scale

Workers have a simulated device that sleeps for a quarter of a second an image, so that two cores are not the limit up
to sixteen of them. Folders are submitted by `producer submit`, to a worker with the network that ships with the code.
The growth of a worker's memory is that over 20,000 small images without a network, from a tenth of them to the last.
"""

import math
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import psutil
from sqlalchemy import func, select

from benchmarks import images
from benchmarks.measure import Effort, Row, command, wait_and_measure
from benchmarks.processes import wait
from benchmarks.stack import RunningWorker, Stack, full_stack
from shared.config import CHECKOUT
from shared.db.tables.jobs import ItemRow
from shared.images.codec import encode_grey
from shared.memory import peak_memory_mib

_DEVICE_MILLISECONDS = 250.0
_SMALL_SHARD = 8  # so that even a short job has some for every worker
_SMALL, _SMALL_SIDE = "benchmark/small.png", 64  # px


def rows(effort: Effort) -> list[Row]:
    """Workers, folders, and the memory of many images."""
    with full_stack() as stack:
        return _workers(stack, effort) + _folders(stack, effort) + _growth(stack, effort)


def _workers(stack: Stack, effort: Effort) -> list[Row]:
    """The rate of so many workers, and what it is of that many times the rate of one."""
    rates: dict[int, list[float]] = {}
    counts = (1, 2) if effort.quick else (1, 2, 4, 8, 16)
    simulated = ("benchmarks.predictors", "sleeps", str(_DEVICE_MILLISECONDS))
    with ExitStack() as running:
        for before, count in pairwise((0, *counts)):
            for _ in range(count - before):
                running.enter_context(stack.worker(*simulated, BATCH_SIZE="4"))
            keys = stack.sources(count * effort.of(40, 8))
            rates[count] = [len(keys) / stack.seconds_of_job(keys, shard=_SMALL_SHARD) for _ in range(effort.of(2, 1))]
    alone = sorted(rates[1])[len(rates[1]) // 2]
    return [Row.of(f"rate of {count} workers", "images/s", rates[count]) for count in counts] + [
        Row.of(f"share of {count} times one worker", "ratio", [rate / (count * alone) for rate in rates[count]])
        for count in counts[1:]
    ]


def _folders(stack: Stack, effort: Effort) -> list[Row]:
    """Measure folders of growing size: the time to the first mask, and the most memory that producer and worker had."""
    found: list[Row] = []
    with stack.worker() as worker:
        stack.seconds_of_job(stack.sources(16))
        for count in (8, 16) if effort.quick else (16, 256, 2048):
            folder = _folder(stack.folder, count)
            firsts: list[float] = []
            producers: list[float] = []
            for _ in range(effort.of(3, 1) if count < 1000 else 1):
                first, producer = _submit(stack, folder)
                firsts.append(first)
                producers.append(producer)
            found += [
                Row.of(f"first mask of {count} images", "s", firsts),
                Row.of(f"peak memory of the producer, {count} images", "MiB", producers, at_most=150),
                Row.of(f"peak memory of the worker, {count} images", "MiB", [peak_memory_mib(worker.pid)], at_most=600),
                Row.of(f"peak memory of its decoders, {count} images", "MiB", [_of_children(worker)]),
            ]
    return found


def _folder(parent: Path, count: int) -> Path:
    """A folder of so many images, most of them links to the first ones."""
    folder = parent / f"folder-{count}"
    images.write_folder(folder, min(count, images.DIFFERENT))
    for number in range(images.DIFFERENT, count):
        (folder / f"{number:06d}.png").hardlink_to(folder / f"{number % images.DIFFERENT:06d}.png")
    return folder


def _submit(stack: Stack, folder: Path) -> tuple[float, float]:
    """Seconds from the start of `producer submit` to the first result, and the producer's peak memory in MiB."""
    start = time.time()
    process = subprocess.Popen(
        [sys.executable, "-c", "from producer.cli import main; main()", "submit", str(folder)],
        cwd=CHECKOUT,
        env=stack.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    peak, _ = wait_and_measure(process)
    with process:
        said = process.stdout.read() if process.stdout is not None else ""
    job = stack.wait_for_end(said.strip())
    first = select(func.min(ItemRow.finished_at)).where(ItemRow.job_id == job.id)
    with stack.services.database.read() as connection:
        return float(connection.execute(first).scalar_one() or math.nan) - start, peak


def _growth(stack: Stack, effort: Effort) -> list[Row]:
    """Memory after a tenth of the images, at their end, and the growth between."""
    count = effort.of(20_000, 64)
    stack.services.store.put(_SMALL, encode_grey(images.pixels(0)[:_SMALL_SIDE, :_SMALL_SIDE]))
    early: list[float] = []
    late: list[float] = []
    with stack.worker("benchmarks.predictors", "none") as worker:
        job_id = stack.submit([_SMALL] * count)

        def sampled() -> bool:
            job = stack.services.repository.job(job_id)
            memory = psutil.Process(worker.pid).memory_info().rss / 2**20
            if 0.1 * count <= job.counts.finished < 0.2 * count or not early:
                early.append(memory)
            if job.counts.finished >= 0.9 * count:
                late.append(memory)
            return job.state.is_final

        wait(sampled, pause=0.5, patience=1800)
    middle = sorted(early)[len(early) // 2]
    return [
        Row.of(f"memory of the worker after {count // 10} images", "MiB", early),
        Row.of(f"memory of the worker after {count} images", "MiB", late),
        Row.of("growth between", "%", [100 * (memory / middle - 1) for memory in late], at_most=2),
    ]


def _of_children(worker: RunningWorker) -> float:
    return sum(peak_memory_mib(child.pid) for child in psutil.Process(worker.pid).children(recursive=True))


if __name__ == "__main__":
    command(__doc__, rows)
