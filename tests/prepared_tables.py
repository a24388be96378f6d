"""All tables in an empty database at once: the migrations, which take a while, run once in a process of tests.

What is about the migrations themselves calls `shared.db.migrate.migrate`.
"""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg

from devservers.postgres import postgres_binaries
from shared.db.database import Database
from shared.db.migrate import migrate

_prepared: dict[str, bytes] = {}  # by the kind of database: a file of SQLite, statements for PostgreSQL


def make_tables(database: Database) -> None:
    """Make what `migrate` would make in this empty database."""
    kind = database.engine.url.get_backend_name()
    if kind not in _prepared:
        migrate(database)
        _prepared[kind] = _serialized(database) if kind == "sqlite" else _dumped(database)
    elif kind == "sqlite":
        path = _path(database)
        assert not path.exists(), "tables are made in a new database"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_prepared[kind])
    else:
        with psycopg.connect(_address(database)) as connection:
            connection.execute(_prepared[kind])


def _serialized(database: Database) -> bytes:
    with closing(sqlite3.connect(_path(database))) as connection:
        return connection.serialize()


def _dumped(database: Database) -> bytes:
    command = [postgres_binaries() / "pg_dump", "--inserts", "--no-owner", _address(database)]
    dumped = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    # Without what only psql understands, and what would outlive the transaction in a pooler's session.
    return b"\n".join(line for line in dumped.splitlines() if not line.startswith((b"\\", b"SET ", b"SELECT ")))


def _path(database: Database) -> Path:
    path = database.engine.url.database
    assert path is not None
    return Path(path)


def _address(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
