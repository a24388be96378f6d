"""How much of the bare network's speed a whole job reaches, and what the pipeline itself costs.

    python -m benchmarks.efficiency

A job goes from sources in S3 to masks and probability maps in S3 and rows in PostgreSQL. The bare loop is the same
network with the same precision, batch and threads on tiles that lie in memory, in a process of its own. The two take
turns. Three networks: the one that ships with the code, on this machine's CPU (or its GPU, where there is one); one
that sleeps for 10 ms an image and takes no CPU; and one that does nothing, so that what is left is the pipeline's own.
"""

from collections.abc import Sequence

from benchmarks.bare_loop import bare_loop
from benchmarks.measure import BusyCores, Effort, Row, alternate, command, cpu_seconds, ratios
from benchmarks.stack import RunningWorker, Stack, full_stack, server_pids

DEVICE_MILLISECONDS = 10.0
_STAGE_CPU = "delineate_stage_cpu_seconds_total"


def rows(effort: Effort) -> list[Row]:
    """Shipped network, simulated device, no network."""
    with full_stack() as stack:
        shipped = _efficiency(stack, effort, "shipped model, CPU", (), images=effort.of(768, 32), at_least=0.62)
        simulated = _efficiency(
            stack,
            effort,
            "simulated device of 100 images/s",
            ("benchmarks.predictors", "sleeps", str(DEVICE_MILLISECONDS)),
            images=effort.of(768, 32),
            at_least=0.95,
            milliseconds=DEVICE_MILLISECONDS,
        )
        return shipped + simulated + _overhead(stack, effort)


def _efficiency(
    stack: Stack,
    effort: Effort,
    name: str,
    worker: Sequence[str],
    *,
    images: int,
    at_least: float,
    milliseconds: float = 0.0,
) -> list[Row]:
    keys = stack.sources(images)
    busy: list[float] = []

    def job() -> float:
        cores = BusyCores()
        seconds = stack.seconds_of_job(keys)
        busy.append(cores.share())
        return images / seconds

    with stack.worker(*worker), bare_loop(stack.environment, milliseconds=milliseconds) as loop:
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        found = alternate({"job": job, "bare": lambda: loop.ask(images)}, effort.rounds)
    return [
        Row.of(f"efficiency, {name}", "ratio", ratios(found["job"], found["bare"]), at_least=at_least),
        Row.of(f"whole job, {name}", "images/s", found["job"]),
        Row.of(f"bare loop, {name}", "images/s", found["bare"]),
        Row.of(f"cores busy during the job, {name}", "ratio", busy, at_least=None if milliseconds else 0.95),
    ]


def _overhead(stack: Stack, effort: Effort) -> list[Row]:
    """CPU of every process of ours and of the servers, for each image; and of each stage, as the worker counts it."""
    images = effort.of(1024, 32)
    keys = stack.sources(images)
    ours: list[float] = []
    servers: list[float] = []
    rates: list[float] = []
    stages: dict[str, list[float]] = {}
    with stack.worker("benchmarks.predictors", "none") as worker:
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        for _ in range(effort.rounds):
            mine, theirs = cpu_seconds([worker.pid, stack.reconciler]), cpu_seconds(server_pids())
            before = _stage_seconds(worker)
            rates.append(images / stack.seconds_of_job(keys))
            ours.append((cpu_seconds([worker.pid, stack.reconciler]) - mine) * 1000 / images)
            servers.append((cpu_seconds(server_pids()) - theirs) * 1000 / images)
            for stage, seconds in _stage_seconds(worker).items():
                stages.setdefault(stage, []).append((seconds - before.get(stage, 0.0)) * 1000 / images)
    unit = "ms CPU per image"
    return [
        Row.of("overhead, no network, all processes of ours", unit, ours, at_most=6.0),
        Row.of("overhead, no network, the servers", unit, servers),
        Row.of("whole job, no network", "images/s", rates),
        *(Row.of(f"stage {stage}, no network", unit, samples) for stage, samples in sorted(stages.items())),
    ]


def _stage_seconds(worker: RunningWorker) -> dict[str, float]:
    return {
        name.partition("{stage=")[2].rstrip("}"): value
        for name, value in worker.metrics().items()
        if name.startswith(_STAGE_CPU)
    }


if __name__ == "__main__":
    command(__doc__, rows)
