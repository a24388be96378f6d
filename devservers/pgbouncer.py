"""PgBouncer before a PostgreSQL server, in transaction mode: each transaction may get another session of the server."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import make_url

from devservers.process import ServerMissing, free_ports, running


@contextmanager
def pgbouncer(database_url: str, *, sessions: int) -> Iterator[str]:
    """Yields the SQLAlchemy URL of the same database through a pool of so many sessions."""
    server = make_url(database_url)
    [port] = free_ports(1)
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": sessions,
        "max_client_conn": 200,
    }
    account = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    with TemporaryDirectory(prefix="delineate-pgbouncer-") as temporary:
        folder = Path(temporary)
        target = f"{server.database} = host={server.host} port={server.port} user={server.username}"
        lines = ["[databases]", target, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        if account:
            shutil.chown(folder, account, account)
        url = server.set(port=port)
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        command = [pgbouncer_executable(), str(folder / "pgbouncer.ini")]
        with running(command, folder=folder, wait_until=lambda: psycopg.connect(dsn).close(), user=account):
            yield url.render_as_string(hide_password=False)


def pgbouncer_executable() -> str:
    """Return the pooler's path.

    Raises:
        ServerMissing: it is not installed.
    """
    executable = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if executable is None:
        raise ServerMissing("needs PgBouncer: apt-get install pgbouncer")
    return executable
