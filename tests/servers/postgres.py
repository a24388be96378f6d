"""A PostgreSQL server without durability: fast, and thrown away."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.servers.process import ServerMissing, free_ports, running

_SUPERUSER = "postgres"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields the SQLAlchemy URL of its empty database `postgres`; the user may create more databases."""
    binaries = _binaries()
    [port] = free_ports(1)
    # The server refuses to run as root. Debian's package brings an account for it.
    account = _SUPERUSER if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="delineate-postgres-") as temporary:
        folder = Path(temporary)
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
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": temporary, "port": port, **_FAST}
        command = [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())]
        address = f"{_SUPERUSER}@127.0.0.1:{port}/postgres"
        with running(
            command,
            folder=folder,
            wait_until=lambda: psycopg.connect(f"postgresql://{address}").close(),
            user=account,
            stop_signal=signal.SIGINT,  # "fast shutdown": it does not wait for clients
        ):
            yield f"postgresql+psycopg://{address}"


def _binaries() -> Path:
    """The folder of `initdb` and `postgres`, the newest version first; Debian does not put it on the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    on_path = shutil.which("initdb")
    for initdb in [*versions, *([Path(on_path)] if on_path else [])]:
        if (initdb.parent / "postgres").exists():
            return initdb.parent
    raise ServerMissing("needs a PostgreSQL server: apt-get install postgresql")
