"""How much of the bare network's speed a whole job reaches, and what the pipeline itself costs.

    python -m benchmarks.efficiency

A job goes from sources in S3 to masks and probability maps in S3 and rows in PostgreSQL. The bare loop is the same
network with the same precision, batch and threads on tiles that lie in memory, in a process of its own. The two take
turns. Three networks: the one that ships with the code, on this machine's CPU (or its GPU, where there is one); one
that sleeps for 10 ms an image and takes no CPU; and one that does nothing, so that what is left is the pipeline's own.
"""

from pathlib import Path

import psutil
import torch

from benchmarks.bare_loop import bare_loop
from benchmarks.measure import BusyCores, Effort, Row, alternate, command, cpu_seconds, ratios
from benchmarks.predictors import save_seed_network
from benchmarks.stack import RunningWorker, Stack, full_stack, server_pids
from shared.config import DEFAULT_MODEL

DEVICE_MILLISECONDS = 10.0
_OURS, _SERVERS = "ours", "servers"
_STAGE_CPU = "delineate_stage_cpu_seconds_total"


def rows(effort: Effort) -> list[Row]:
    """Shipped network, the seed's on a GPU where there is one, simulated device, no network."""
    images = effort.of(768, 32)
    with full_stack() as stack:
        found = _efficiency(stack, effort, "shipped model, CPU", images=images, at_least=0.62, WORKER_DEVICE="cpu")
        if torch.cuda.is_available():
            model = save_seed_network(stack.folder / "seed-network")
            found += _efficiency(stack, effort, "the seed's network, GPU", images=images, at_least=0.9, model=model)
        found += _efficiency(
            stack,
            effort,
            "simulated device of 100 images/s",
            images=images,
            at_least=0.95,
            milliseconds=DEVICE_MILLISECONDS,
        )
        return found + _overhead(stack, effort)


def _efficiency(
    stack: Stack,
    effort: Effort,
    name: str,
    *,
    images: int,
    at_least: float,
    model: Path = DEFAULT_MODEL,
    milliseconds: float = 0.0,
    **settings: str,
) -> list[Row]:
    keys = stack.sources(images)
    busy: list[float] = []

    def job() -> float:
        cores = BusyCores()
        seconds = stack.seconds_of_job(keys)
        busy.append(cores.share())
        return images / seconds

    worker = ("benchmarks.predictors", "sleeps", str(milliseconds)) if milliseconds else ()
    with (
        stack.worker(*worker, MODEL_PATH=str(model), **settings),
        bare_loop(stack.environment | settings, model, milliseconds=milliseconds) as loop,
    ):
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        found = alternate({"job": job, "bare": lambda: loop.ask(images)}, effort.rounds)
    on_cpu = settings.get("WORKER_DEVICE") == "cpu"
    return [
        Row.of(f"efficiency, {name}", "ratio", ratios(found["job"], found["bare"]), at_least=at_least),
        Row.of(f"whole job, {name}", "images/s", found["job"]),
        Row.of(f"bare loop, {name}", "images/s", found["bare"]),
        Row.of(f"cores busy during the job, {name}", "ratio", busy, at_least=0.95 if on_cpu else None),
    ]


def _overhead(stack: Stack, effort: Effort) -> list[Row]:
    """CPU of every process of ours and of the servers, for each image; and of what it is made of.

    The worker counts its stages itself; its decoders and the reconciler are processes, and the rest of the worker is
    what is left: claims, hints, Celery, the hand-over between threads.
    """
    images = effort.of(1024, 32)
    keys = stack.sources(images)
    samples: dict[str, list[float]] = {}
    rates: list[float] = []
    with stack.worker("benchmarks.predictors", "none") as worker:
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        for _ in range(effort.rounds):
            before = _spent(stack, worker)
            rates.append(images / stack.seconds_of_job(keys))
            for part, seconds in _spent(stack, worker).items():
                samples.setdefault(part, []).append((seconds - before.get(part, 0.0)) * 1000 / images)
    unit = "ms CPU per image"
    parts = {part: samples[part] for part in samples if part not in (_OURS, _SERVERS)}
    parts["rest of the worker"] = [
        ours - sum(known) for ours, *known in zip(samples[_OURS], *parts.values(), strict=True)
    ]
    return [
        Row.of("overhead, no network, all processes of ours", unit, samples[_OURS], at_most=6.0),
        Row.of("overhead, no network, the servers", unit, samples[_SERVERS]),
        Row.of("whole job, no network", "images/s", rates),
        *(Row.of(f"stage {part}, no network", unit, found) for part, found in parts.items()),
    ]


def _spent(stack: Stack, worker: RunningWorker) -> dict[str, float]:
    """CPU seconds so far of our processes, of the servers, and of each part of ours."""
    decoders = [child.pid for child in psutil.Process(worker.pid).children()]
    return {
        _OURS: cpu_seconds([worker.pid, stack.reconciler]),
        _SERVERS: cpu_seconds(server_pids()),
        **_stage_seconds(worker),
        "decoder processes": cpu_seconds(decoders),
        "reconciler": cpu_seconds([stack.reconciler]),
    }


def _stage_seconds(worker: RunningWorker) -> dict[str, float]:
    return {
        name.partition("{stage=")[2].rstrip("}"): value
        for name, value in worker.metrics().items()
        if name.startswith(_STAGE_CPU)
    }


if __name__ == "__main__":
    command(__doc__, rows)
