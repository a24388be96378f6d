"""Real workers in processes of their own, on PostgreSQL, S3 and Redis, or on SQLite, a folder and Redis."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from devservers import S3Endpoint
from shared.config import CHECKOUT, load_settings
from shared.flows.submission import Source, submit_images
from shared.images.codec import encode_grey
from shared.jobs.records import Item, Job
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, save_checkpoint
from shared.services import Services, connect
from tests.integration.worker.staged_worker import HOLD
from tests.prepared_tables import make_tables

PATIENCE = 240

TINY = {"base": 2, "levels": 2, "stem": 4}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned nothing, small enough to be fast anywhere."""
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, build("attention_unet", TINY), Metadata("attention_unet", TINY))
    return folder


@dataclass
class Stack:
    """Services, the environment of their workers, and the workers."""

    services: Services
    environment: dict[str, str]
    home: Path
    workers: list["RunningWorker"] = field(default_factory=list)

    def start_worker(self, module: str = "worker", **environment: str) -> "RunningWorker":
        worker = RunningWorker(self, ["-m", module], environment)
        self.workers.append(worker)
        return worker

    def submit(self, sources: dict[str, bytes], *, model: str | None = None, threshold: float | None = None) -> str:
        readable = [Source(path, lambda data=data: data) for path, data in sources.items()]
        return submit_images(
            self.services, readable, name="test", submitted_by="test", model=model, threshold=threshold
        )

    def job(self, job_id: str) -> Job:
        return self.services.repository.job(job_id)

    def items(self, job_id: str) -> dict[str, Item]:
        return {item.path: item for item in self.services.repository.items(job_id, limit=1000)}

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "\n".join(worker.log() for worker in self.workers)
            time.sleep(0.05)

    def wait_for_end(self, job_id: str) -> Job:
        self.wait(lambda: self.job(job_id).state.is_final)
        return self.job(job_id)

    def wait_until_held(self) -> None:
        self.wait((self.home / "held").exists)

    def release_held(self) -> None:
        (self.home / "release").touch()


class RunningWorker:
    """A worker process and its log."""

    def __init__(self, stack: Stack, command: list[str], environment: dict[str, str]) -> None:
        self._log = stack.home / f"worker-{len(stack.workers)}.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=CHECKOUT,
                env=stack.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def terminate(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


def make_stack(home: Path, checkpoint: Path, **settings: str) -> Stack:
    """Connect to fresh services; every setting is one of the environment."""
    home.mkdir(exist_ok=True)
    variables = {
        "DELINEATE_HOME": str(home),
        "MODEL_PATH": str(checkpoint),
        "RECONCILE_INTERVAL": "0.2",
        "RESEND_AFTER": "5",
        "STARTUP_SECONDS": "120",
        "LOG_LEVEL": "INFO",
        "OMP_NUM_THREADS": "1",
    } | settings
    services = connect(load_settings(**{name.lower(): value for name, value in variables.items()}))
    make_tables(services.database)
    services.store.prepare()
    return Stack(services, dict(os.environ) | variables, home)


def embedded(home: Path, checkpoint: Path, broker_url: str, **settings: str) -> Stack:
    """SQLite and a folder."""
    return make_stack(
        home, checkpoint, BROKER_URL=broker_url, DATABASE_URL=f"sqlite:///{home}/test.sqlite3",
        STORE_URL=(home / "objects").as_uri(), **settings,
    )  # fmt: skip


def full(home: Path, checkpoint: Path, broker_url: str, database_url: str, s3: S3Endpoint, **settings: str) -> Stack:
    """PostgreSQL and S3."""
    return make_stack(
        home, checkpoint, BROKER_URL=broker_url, DATABASE_URL=database_url,
        STORE_URL=f"s3://{home.parent.name.replace('_', '-')[:50]}-{os.getpid()}".lower(), S3_ENDPOINT_URL=s3.url,
        AWS_ACCESS_KEY_ID=s3.access_key, AWS_SECRET_ACCESS_KEY=s3.secret_key, **settings,
    )  # fmt: skip


StackFactory = Callable[..., Stack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Callable[..., Stack], object], Stack]]:
    """Make stacks that are taken down after the test, each with a reconciler.

    A test asks for this fixture after those of its servers: it is then taken down before them.
    """
    stacks: list[Stack] = []
    stop = threading.Event()
    reconcilers: list[threading.Thread] = []

    def make(kind: Callable[..., Stack], *arguments: object, **settings: str) -> Stack:
        stack = kind(tmp_path / "home", *arguments, **settings)
        stacks.append(stack)
        reconciler = threading.Thread(target=stack.services.reconciler().run, args=[stop])
        reconciler.start()
        reconcilers.append(reconciler)
        return stack

    yield make
    stop.set()
    for reconciler in reconcilers:
        reconciler.join(PATIENCE)
    for stack in stacks:
        for worker in stack.workers:
            worker.kill()
        stack.services.close()


@pytest.fixture
def embedded_stack(checkpoint: Path, broker_url: str, make: StackFactory) -> Stack:
    return make(embedded, checkpoint, broker_url)


@pytest.fixture
def full_stack(
    checkpoint: Path, broker_url: str, postgres_database_url: str, s3_endpoint: S3Endpoint, make: StackFactory
) -> Stack:
    return make(full, checkpoint, broker_url, postgres_database_url, s3_endpoint)


@pytest.fixture(params=["embedded_stack", "full_stack"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return request.getfixturevalue(request.param)


def png(height: int, width: int, seed: int = 0) -> bytes:
    return encode_grey(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8))


def held_png() -> bytes:
    """An image on which a staged worker waits."""
    return png(64, HOLD)
