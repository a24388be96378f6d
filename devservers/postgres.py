"""A PostgreSQL server without durability: fast, and thrown away."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from devservers.process import ServerMissing, free_ports, running

_SUPERUSER = "postgres"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgresCluster:
    """A data folder and the command that serves it, as `account` where this process is root."""

    command: list[str]
    account: str | None
    url: str  # of its empty database `postgres`; the user may create more databases


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields the SQLAlchemy URL of its empty database `postgres`; the user may create more databases."""
    with TemporaryDirectory(prefix="delineate-postgres-") as temporary:
        cluster = make_cluster(Path(temporary), **_FAST)
        with running(
            cluster.command,
            folder=Path(temporary),
            wait_until=lambda: psycopg.connect(cluster.url.replace("+psycopg", "")).close(),
            user=cluster.account,
            stop_signal=signal.SIGINT,  # "fast shutdown": it does not wait for clients
        ):
            yield cluster.url


def make_cluster(folder: Path, **settings: str) -> PostgresCluster:
    """Make an empty cluster in `folder`, to be served on a free port with these settings of the server."""
    binaries = postgres_binaries()
    [port] = free_ports(1)
    # The server refuses to run as root. Debian's package brings an account for it.
    account = _SUPERUSER if os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account, account)
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
    )
    all_settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "port": port, **settings}
    options = [f"--{name}={value}" for name, value in all_settings.items()]
    return PostgresCluster(
        command=[str(binaries / "postgres"), "-D", str(data), *options],
        account=account,
        url=f"postgresql+psycopg://{_SUPERUSER}@127.0.0.1:{port}/postgres",
    )


def postgres_binaries() -> Path:
    """Return the folder of `initdb` and `postgres`, of the newest version; Debian does not put it on the PATH.

    Raises:
        ServerMissing: there is none.
    """
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    on_path = shutil.which("initdb")
    for initdb in [*versions, *([Path(on_path)] if on_path else [])]:
        if (initdb.parent / "postgres").exists():
            return initdb.parent
    raise ServerMissing("needs a PostgreSQL server: apt-get install postgresql")
