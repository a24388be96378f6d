"""How long somebody waits for the mask of a single image, over the bare forward pass.

    python -m benchmarks.latency

One image of high priority is submitted, as the producer and the admin do it, and the clock runs until its mask has
been read back from S3: with nothing else to do, and while a large job of normal priority keeps the worker busy. The
forward pass is that of one image on one thread, in a process of its own, with nothing beside it. Under load the image
may wait for as long as the batch and the commit that it finds in work: what these take in a large job stands beside it.
"""

import time

import numpy as np

from benchmarks import images
from benchmarks.bare_loop import bare_loop
from benchmarks.measure import Effort, Row, command
from benchmarks.processes import wait
from benchmarks.stack import RunningWorker, Stack, full_stack
from shared.flows.submission import Source, submit_images
from shared.jobs.records import Priority

_LOOK_SECONDS = 0.002
_OF_HISTOGRAM = ("sum", "count")
_PAUSE_SECONDS = 0.2  # between two images, so that one does not find the other's traces


def rows(effort: Effort) -> list[Row]:
    """Forward pass, idle, and under load."""
    with full_stack() as stack:
        with bare_loop(stack.environment | {"BATCH_SIZE": "1"}) as loop:
            forward = [1 / loop.ask(1) for _ in range(effort.of(30, 3))]
        with stack.worker() as worker:
            keys = stack.sources(effort.of(512, 32))
            stack.seconds_of_job(keys[:32])
            idle = [_seconds(stack, number) for number in range(effort.of(40, 3))]
            in_work = _batch_and_commit(stack, worker, keys)
            loaded = _under_load(stack, keys, effort.of(40, 3))
    bare = float(np.median(forward))
    return [
        Row.of("forward pass of one image", "ms", _ms(forward)),
        *_described("idle", idle, bare, at_most=30.0),
        *_described("under a full batch load", loaded, bare),
        Row.of("one batch and one shard's commit of that load", "ms", _ms([in_work])),
        Row.of(
            "one image under that load, over idle",
            "ms",
            _ms([value - float(np.median(idle)) for value in loaded]),
            at_most=1000 * in_work,
        ),
    ]


def _batch_and_commit(stack: Stack, worker: RunningWorker, keys: list[str]) -> float:
    """Seconds that a batch takes in the network, and a shard's results in the database, while a job runs."""
    before = worker.metrics()
    stack.seconds_of_job(keys)
    after = worker.metrics()

    def mean(metric: str, stage: str = "") -> float:
        seconds, count = (
            after[f"{metric}_{each}{stage}"] - before[f"{metric}_{each}{stage}"] for each in _OF_HISTOGRAM
        )
        return seconds / count

    return mean("delineate_batch_seconds") + mean("delineate_stage_seconds", "{stage=commit}")


def _under_load(stack: Stack, keys: list[str], count: int) -> list[float]:
    """Samples taken while jobs of these keys follow one another."""
    found: list[float] = []
    job_id = stack.submit(keys * 4)
    wait(lambda: stack.services.repository.job(job_id).counts.succeeded > 0)
    while len(found) < count:
        counts = stack.services.repository.job(job_id).counts
        if counts.pending < len(keys):
            job_id = stack.submit(keys * 4)
        found.append(_seconds(stack, len(found)))
    stack.services.repository.cancel(job_id)
    return found


def _seconds(stack: Stack, number: int) -> float:
    """Seconds from the submission of one image until its mask is here."""
    data = images.png(number)
    time.sleep(_PAUSE_SECONDS)
    start = time.perf_counter()
    job_id = submit_images(
        stack.services,
        [Source("image.png", lambda: data)],
        name="one image",
        submitted_by="benchmark",
        priority=Priority.HIGH,
    )
    keys: list[str] = []

    def stored() -> bool:
        [item] = stack.services.repository.items(job_id, limit=1)
        if item.error is not None:
            raise RuntimeError(f"an image of a benchmark failed: {item.error}")
        keys.extend([item.mask_key] if item.mask_key else [])
        return bool(keys)

    wait(stored, pause=_LOOK_SECONDS)
    stack.services.store.get(keys[0])
    return time.perf_counter() - start


def _described(name: str, seconds: list[float], bare: float, *, at_most: float | None = None) -> list[Row]:
    over = [value - bare for value in seconds]
    return [
        Row.of(f"one image, {name}", "ms", _ms(seconds)),
        Row.of(f"one image over the forward pass, {name}", "ms", _ms(over), at_most=at_most),
        Row.of(
            f"one image over the forward pass, {name}, 95th percentile", "ms", [float(np.percentile(over, 95)) * 1000]
        ),
    ]


def _ms(seconds: list[float]) -> list[float]:
    return [1000 * value for value in seconds]


if __name__ == "__main__":
    command(__doc__, rows)
