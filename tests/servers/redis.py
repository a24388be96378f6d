"""A Redis server with an append-only file, as in operation."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from tests.servers.process import ServerMissing, free_ports, running


@contextmanager
def redis_server() -> Iterator[str]:
    """Yields the server's URL, `redis://127.0.0.1:port/0`."""
    executable = shutil.which("redis-server") or shutil.which("valkey-server")
    if executable is None:
        raise ServerMissing("needs a Redis server: apt-get install redis-server")
    [port] = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    with TemporaryDirectory(prefix="delineate-redis-") as folder, Redis.from_url(url) as client:
        settings = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "save": ""}
        command = [executable, *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
        with running(command, folder=Path(folder), wait_until=client.ping):
            yield url
