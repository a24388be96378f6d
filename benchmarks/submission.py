"""Submitting a folder to S3 and PostgreSQL with the workers stopped: files a second, CPU a file, memory.

The producer's own command runs as a user starts it. Its CPU is told apart from that of the S3 server, the database and
Redis, which share the cores with it. Files of 250 KB are noisy 512×512 images; the memory is that of a folder of many
small files, since names, not bytes, are what could pile up.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Effort, Row, command, wait_and_measure
from benchmarks.processes import start_producer
from devservers import postgres_server, redis_server, s3_server
from shared.config import load_settings
from shared.db.migrate import migrate
from shared.services import connect

FILE_BYTES = 250_000


def rows(effort: Effort) -> list[Row]:
    """The producer's rate, CPU and memory."""
    with TemporaryDirectory(prefix="delineate-submission-") as temporary, _stack() as environment:
        runs = []
        for number in range(effort.of(3, 1)):
            folder = _folder(Path(temporary) / f"images-{number}", effort.of(2_000, 40), FILE_BYTES)
            runs.append(_submit(folder, environment))
        many = _submit(_folder(Path(temporary) / "many", effort.of(100_000, 400), 64), environment)
    return [
        Row.of("submission to S3, 250 KB a file", "files/s", [run.files / run.wall for run in runs], at_least=300),
        Row.of("submission to S3: the producer's CPU", "ms CPU per file", [run.cpu_ms for run in runs]),
        Row.of("submission of 100,000 small files", "files/s", [many.files / many.wall]),
        Row.of("submission of 100,000 small files: peak memory", "MiB", [many.peak_mib], at_most=150),
    ]


class _Run:
    """One submission that has ended."""

    def __init__(self, files: int, wall: float, peak_mib: float, cpu_seconds: float) -> None:
        self.files = files
        self.wall = wall
        self.cpu_ms = cpu_seconds * 1000 / files
        self.peak_mib = peak_mib


def _submit(folder: Path, environment: dict[str, str]) -> _Run:
    files = sum(1 for _ in folder.iterdir())
    start = time.monotonic()
    peak_mib, cpu_seconds = wait_and_measure(start_producer(["submit", str(folder)], environment))
    return _Run(files, time.monotonic() - start, peak_mib, cpu_seconds)


def _folder(folder: Path, count: int, size: int) -> Path:
    folder.mkdir()
    content = os.urandom(size)
    for number in range(count):
        (folder / f"{number:06d}.png").write_bytes(number.to_bytes(8) + content)
    return folder


@contextmanager
def _stack() -> Iterator[dict[str, str]]:
    """Servers of its own, ready; yields the environment that names them."""
    with ExitStack() as stack:
        database, broker = stack.enter_context(postgres_server()), stack.enter_context(redis_server())
        s3 = stack.enter_context(s3_server())
        home = stack.enter_context(TemporaryDirectory(prefix="delineate-home-"))
        named = {
            "DELINEATE_HOME": home,
            "DATABASE_URL": database,
            "BROKER_URL": broker,
            "STORE_URL": "s3://submission",
            "S3_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        }
        services = connect(load_settings(**{name.lower(): value for name, value in named.items()}))
        migrate(services.database)
        services.store.prepare()
        services.close()
        yield dict(os.environ) | named


if __name__ == "__main__":
    command(__doc__, rows)
