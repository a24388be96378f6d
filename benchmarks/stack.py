"""The full stack of a benchmark: real servers, the reconciler and workers as processes, and jobs whose sources wait.

Redis with an append-only file, PostgreSQL as durable as it comes, SeaweedFS: all on 127.0.0.1, in a folder that goes
with them.
"""

import os
import secrets
import signal
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from benchmarks import images
from benchmarks.processes import answers, running, wait
from devservers import free_ports, make_cluster, redis_server, s3_server
from devservers.process import running as server_running
from shared.config import CHECKOUT, load_settings
from shared.db.migrate import migrate
from shared.db.tables.base import new_id
from shared.db.tables.jobs import JobRow
from shared.jobs.records import Job, NewItem
from shared.jobs.state import JobKind, JobStatus
from shared.services import Services, connect

SHARD = 32
_SOURCES = "benchmark"  # not under `jobs/`, where objects without a row are tidied away
_SERVERS = ("postgres", "redis-server", "valkey-server", "weed")


@dataclass(frozen=True)
class RunningWorker:
    """A worker process that is ready."""

    pid: int
    port: int

    def metrics(self) -> dict[str, float]:
        """All samples that it shows to Prometheus: "name{label=value}" → value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


@dataclass
class Stack:
    """The services, the environment of their processes, and a folder for the logs."""

    services: Services
    environment: dict[str, str]
    folder: Path
    reconciler: int
    _sources: list[str] = field(default_factory=list)

    @contextmanager
    def worker(self, *arguments: str, **settings: str) -> Iterator[RunningWorker]:
        """A worker (`python -m worker`, or what the arguments say) while the body runs, ready when it begins."""
        [port] = free_ports(1)
        log = self.folder / f"worker-{port}.log"
        environment = self.environment | {"METRICS_PORT": str(port)} | settings
        with running(["-m", *(arguments or ("worker",))], environment, log) as process:
            wait(lambda: answers(f"http://127.0.0.1:{port}/health/ready"), process, log)
            yield RunningWorker(process.pid, port)

    def sources(self, count: int) -> list[str]:
        """The keys of so many sources in the object store, every one an object of its own."""
        for number in range(len(self._sources), count):
            key = f"{_SOURCES}/{number:06d}.png"
            self.services.store.put(key, images.png(number))
            self._sources.append(key)
        return self._sources[:count]

    def submit(self, keys: Sequence[str], *, shard: int = SHARD) -> str:
        """Make a job of sources that are in the store already, and let it begin once all of its rows are there."""
        repository, dispatcher = self.services.repository, self.services.dispatcher
        while True:
            with self.services.queue.filling() as mine:  # nobody else hints at a shard meanwhile
                if mine:
                    job_id = repository.create_job(JobKind.IMAGES, name="benchmark", submitted_by="benchmark")
                    for first in range(0, len(keys), shard):
                        block = [
                            NewItem(id=new_id(), path=f"{first + offset:06d}.png", source_key=key)
                            for offset, key in enumerate(keys[first : first + shard])
                        ]
                        repository.add_shard(job_id, block)
                    repository.seal(job_id)
                    break
            time.sleep(0.01)
        while not dispatcher.fill() and not self._begun(job_id):
            time.sleep(0.001)
        return job_id

    def wait_for_end(self, job_id: str, *, pause: float = 0.1) -> Job:
        """The job, when all of its images have succeeded.

        Raises:
            RuntimeError: some did not.
        """
        wait(lambda: self._state(job_id).is_final, pause=pause)
        job = self.services.repository.job(job_id)
        if job.state is not JobStatus.SUCCEEDED:
            raise RuntimeError(f"a job of a benchmark ended as {job.state}: see the logs in {self.folder}")
        return job

    def seconds_of_job(self, keys: Sequence[str], *, shard: int = SHARD) -> float:
        """How long a job of these sources takes from its first hint to its end, on the database's clock."""
        job_id = self.submit(keys, shard=shard)
        started = time.time()
        job = self.wait_for_end(job_id)
        if job.finished_at is None:
            raise RuntimeError("a job ended without a time")
        return job.finished_at - started

    def _state(self, job_id: str) -> JobStatus:
        with self.services.database.read() as connection:
            return JobStatus(connection.execute(select(JobRow.state).where(JobRow.id == job_id)).scalar_one())

    def _begun(self, job_id: str) -> bool:
        return self._state(job_id) is not JobStatus.QUEUED


def server_pids() -> list[int]:
    """The processes of all servers that this process started, without their children."""
    return [child.pid for child in psutil.Process().children() if child.name() in _SERVERS]


@contextmanager
def full_stack(**settings: str) -> Iterator[Stack]:
    """Everything but workers; all of it ends with the body."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(TemporaryDirectory(prefix="delineate-benchmark-")))
        s3 = closing.enter_context(s3_server())
        variables = {
            "DELINEATE_HOME": str(folder / "home"),
            "BROKER_URL": closing.enter_context(redis_server()),
            "DATABASE_URL": closing.enter_context(_postgres()),
            "STORE_URL": "s3://benchmark",
            "S3_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "SHARD_SIZE": str(SHARD),
            "LOG_LEVEL": "WARNING",
            "ADMIN_PASSWORD": secrets.token_hex(12),
            "SECRET_KEY": secrets.token_hex(32),
        } | settings
        (folder / "home").mkdir()
        environment = dict(os.environ) | variables | {"PYTHONPATH": str(CHECKOUT)}
        services = connect(load_settings(**{name.lower(): value for name, value in variables.items()}))
        closing.callback(services.close)
        migrate(services.database)
        services.store.prepare()
        reconciler = closing.enter_context(
            running(["-m", "admin.cli", "reconcile"], environment, folder / "reconciler.log")
        )
        yield Stack(services, environment, folder, reconciler.pid)


@contextmanager
def _postgres() -> Iterator[str]:
    with TemporaryDirectory(prefix="delineate-benchmark-") as temporary:
        cluster = make_cluster(Path(temporary))
        with server_running(
            cluster.command,
            folder=Path(temporary),
            wait_until=lambda: psycopg.connect(cluster.url.replace("+psycopg", "")).close(),
            user=cluster.account,
            stop_signal=signal.SIGINT,
        ):
            yield cluster.url
