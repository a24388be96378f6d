"""A Redis server with an append-only file, as in operation."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from devservers.process import ServerMissing, free_ports, running


@contextmanager
def redis_server() -> Iterator[str]:
    """Yields the server's URL, `redis://127.0.0.1:port/0`."""
    [port] = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    with TemporaryDirectory(prefix="delineate-redis-") as temporary, Redis.from_url(url) as client:
        folder = Path(temporary)
        with running(redis_command(folder, port), folder=folder, wait_until=client.ping):
            yield url


def redis_command(folder: Path, port: int) -> list[str]:
    """The command of a server that keeps its append-only file in `folder`."""
    settings = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "save": ""}
    return [redis_executable(), *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]


def redis_executable() -> str:
    """Return the server's path, Redis or Valkey.

    Raises:
        ServerMissing: neither is installed.
    """
    executable = shutil.which("redis-server") or shutil.which("valkey-server")
    if executable is None:
        raise ServerMissing("needs a Redis server: apt-get install redis-server")
    return executable
