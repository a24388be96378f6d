"""Against what a user would do instead, on the same images and weights.

    python -m benchmarks.comparison

Each is warm before it is measured, and they take turns; what each is made of stands at the top of its module. A figure
of ours is that of a whole job on the full stack with one worker.
"""

import importlib.util
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from benchmarks import images
from benchmarks.alternatives.plain_celery import TABLE, app, segment_one
from benchmarks.measure import Effort, Row, alternate, command, ratios
from benchmarks.predictors import save_seed_network
from benchmarks.processes import PATIENCE_SECONDS, answering, answers, running, wait
from benchmarks.stack import Stack, full_stack
from devservers import free_ports
from shared.config import DEFAULT_MODEL

_CLIENTS = 4
# What each has to be beaten by.
_TARGETS = {"Celery task per image": 2.0, "Ray Data": 1.2}
# It shall leave nothing behind and tell nobody; and run with the others' priority: by itself it gives way to all.
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}

Side = Callable[[], float]


def rows(effort: Effort) -> list[Row]:
    """Ours over each of the others, and the rates themselves."""
    with full_stack() as stack:
        return _same_network(stack, effort) + _seed_network(stack, effort)


def _same_network(stack: Stack, effort: Effort) -> list[Row]:
    ours, theirs = effort.of(512, 32), effort.of(192, 8)
    keys = stack.sources(ours)
    images.write_folder(stack.folder / "images", theirs)
    with ExitStack() as running_all:
        running_all.enter_context(stack.worker())
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        script = running_all.enter_context(
            answering(
                ["-m", "benchmarks.alternatives.sequential", str(stack.folder / "images"), str(stack.folder / "out")],
                stack.environment,
            )
        )
        server = running_all.enter_context(_flask_server(stack, DEFAULT_MODEL, "auto"))
        celery = running_all.enter_context(_celery(stack))
        sides: dict[str, Side] = {
            "Delineate": lambda: ours / stack.seconds_of_job(keys),
            "sequential script": lambda: script.ask(theirs),
            "Flask server": lambda: server(theirs),
            "Celery task per image": lambda: celery(keys[:theirs]),
        }
        if importlib.util.find_spec("ray") is not None:
            ray = running_all.enter_context(
                answering(
                    ["-m", "benchmarks.alternatives.ray_data", str(stack.folder / "ray")], stack.environment | RAY
                )
            )
            sides["Ray Data, one stage"] = lambda: ray.ask(f"one stage {theirs}")
            sides["Ray Data, three stages"] = lambda: ray.ask(f"three stages {theirs}")
        script.ask(min(theirs, 8))
        server(min(theirs, 8))
        celery(keys[: min(theirs, 32)])
        found = alternate(sides, effort.of(3, 1))
    found["Ray Data"] = _better(found, "Ray Data, ")
    others = [name for name in ("sequential script", "Flask server", *_TARGETS) if found[name]]
    compared = [
        Row.of(f"ours ÷ {name}", "ratio", ratios(found["Delineate"], found[name]), at_least=_TARGETS.get(name))
        for name in others
    ]
    return compared + [Row.of(f"rate, {name}", "images/s", found[name]) for name in sides]


def _better(found: dict[str, list[float]], prefix: str) -> list[float]:
    """The samples of the faster way to write the same thing; none where it is not installed."""
    ways = [samples for name, samples in found.items() if name.startswith(prefix)]
    return max(ways, key=lambda samples: sorted(samples)[len(samples) // 2], default=[])


def _seed_network(stack: Stack, effort: Effort) -> list[Row]:
    """The network that ours replaced, with random weights: in a server, and in our pipeline."""
    model, count = save_seed_network(stack.folder / "seed-network"), effort.of(6, 1)
    keys = stack.sources(effort.of(512, 32))
    with _flask_server(stack, model, "fp32") as server, stack.worker():
        server(1)
        stack.seconds_of_job(keys[: effort.of(128, 16)])
        found = alternate(
            {"server": lambda: server(count), "ours": lambda: len(keys) / stack.seconds_of_job(keys)}, effort.of(3, 1)
        )
    with stack.worker(MODEL_PATH=str(model), BATCH_SIZE="1"):
        stack.seconds_of_job(keys[:2])
        inside = [2 * count / stack.seconds_of_job(keys[: 2 * count]) for _ in range(effort.of(3, 1))]
    return [
        Row.of(
            "ours ÷ the seed's network in a Flask server", "ratio", ratios(found["ours"], found["server"]), at_least=50
        ),
        Row.of("ours ÷ the seed's network in our pipeline", "ratio", ratios(found["ours"], inside)),
        Row.of("rate, the seed's network in a Flask server (fp32)", "images/s", found["server"]),
        Row.of("rate, the seed's network in our pipeline", "images/s", inside),
    ]


@contextmanager
def _flask_server(stack: Stack, model: Path, precision: str) -> Iterator[Callable[[int], float]]:
    """Yields what sends so many images from a few clients at once and returns images per second."""
    [port] = free_ports(1)
    log = stack.folder / f"flask-{port}.log"
    arguments = ["-m", "benchmarks.alternatives.flask_server", str(port), str(model), precision]

    def post(number: int) -> None:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/predict", images.png(number))
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
            json.load(answer)

    def rate(count: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(_CLIENTS) as clients:
            list(clients.map(post, range(count)))
        return count / (time.perf_counter() - start)

    with running(arguments, stack.environment, log) as process:
        wait(lambda: answers(f"http://127.0.0.1:{port}/health"), process, log)
        yield rate


@contextmanager
def _celery(stack: Stack) -> Iterator[Callable[[list[str]], float]]:
    """Yields what sends a task for each key and returns images per second, from the first message to the last row."""
    app.conf.broker_url = stack.environment["BROKER_URL"]
    log = stack.folder / "plain-celery.log"
    arguments = ["-m", "celery", "-A", "benchmarks.alternatives.plain_celery", "worker", "--pool", "prefork"]
    arguments += [
        "--concurrency",
        str(len(os.sched_getaffinity(0))),
        "--without-gossip",
        "--without-mingle",
        "-l",
        "WARNING",
    ]
    address = stack.environment["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as sql, running(arguments, stack.environment, log) as process:
        sql.execute(TABLE)

        def rate(keys: list[str]) -> float:
            sql.execute("TRUNCATE plain_celery")
            start = time.time()
            for key in keys:
                segment_one.delay(key)
            found: list[float] = []

            def done() -> bool:
                row = sql.execute("SELECT count(*), extract(epoch FROM max(finished_at)) FROM plain_celery").fetchone()
                if row is None or row[0] < len(keys):
                    return False
                found.append(float(row[1]))
                return True

            wait(done, process, log, pause=0.1)
            return len(keys) / (found[0] - start)

        yield rate


if __name__ == "__main__":
    command(__doc__, rows)
