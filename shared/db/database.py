"""The database: engines, transactions, the database's clock.

SQLite (the embedded stack) and PostgreSQL run the same statements. The two differences are kept here: how a
writing transaction takes its lock, and how the clock is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Double

from shared.addresses import checked_address
from shared.db.failures import mapped_errors
from shared.db.postgresql import postgresql_engine
from shared.errors import ConfigurationError, DatabaseUnavailable

SCHEMA_VERSION = max(path.name[1:5] for path in (Path(__file__).parent / "migrations" / "versions").glob("v*.py"))
"""Of the tables that this code works with: the newest of `shared.db.migrations`."""

_BUSY_SECONDS = 30  # how long SQLite waits for another writer


class db_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock as Unix seconds; leases are compared on this clock alone, never on a worker's."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "postgresql")
def _postgresql_now(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    # clock_timestamp() goes on inside a transaction, unlike now().
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(db_now, "sqlite")
def _sqlite_now(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    # unixepoch('subsec') came with SQLite 3.42, which is newer than Debian 12's.
    return "((julianday('now') - 2440587.5) * 86400.0)"


class Database:
    """A database with its pool of connections; safe to share between threads, not across a fork."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        """Open lazily: nothing is connected before the first transaction.

        Raises:
            ConfigurationError: `url` is no SQLAlchemy URL of PostgreSQL or SQLite.
        """
        self.engine = _engine(url, pool_size)
        postgresql = self.engine.dialect.name == "postgresql"
        self._reading: dict[str, Any] = (
            {"isolation_level": "AUTOCOMMIT"} if postgresql else {"delineate_read_only": True}
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that may write: committed on leaving, rolled back by an exception."""
        with mapped_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that only reads.

        On SQLite all is read as it was at one moment, and waits for no writer. On PostgreSQL each statement reads for
        itself, as it does in a transaction at the level of READ COMMITTED, which would cost two round trips more.
        """
        with mapped_errors(), self.engine.connect().execution_options(**self._reading) as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection in no transaction: it begins and commits its own."""
        with mapped_errors(), self.engine.connect() as connection:
            yield connection

    def check(self) -> None:
        """Raise unless the database answers and its schema is this code's.

        Raises:
            DatabaseUnavailable: it does not answer.
            ConfigurationError: the schema is missing or of another version (see `shared.db.migrate`).
        """
        path = self.engine.url.database
        if self.engine.dialect.name == "sqlite" and path and not Path(path).exists():
            raise ConfigurationError(
                f"there is no database at {path}: start the stack with `make up`, or set DATABASE_URL"
            )
        with self.read() as connection:
            # Alembic's own table, read without Alembic: that is as large as all else a producer loads for the database.
            self._check_writable(connection)
            migrated = inspect(connection).has_table("alembic_version")
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if migrated else None
        if current != SCHEMA_VERSION:
            found = current or "empty"
            raise ConfigurationError(
                f"the database's schema is {found}, this version needs {SCHEMA_VERSION}: run `admin migrate`"
            )

    def _check_writable(self, connection: Connection) -> None:
        # A server that became a replica under an open connection answers all but writes.
        if self.engine.dialect.name == "postgresql" and connection.scalar(text("SHOW transaction_read_only")) == "on":
            connection.invalidate()
            raise DatabaseUnavailable("the database takes no writes: it is read-only just now")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str, pool_size: int) -> Engine:
    try:
        parsed = make_url(url if url.startswith("sqlite") else checked_address("DATABASE_URL", url))
    except (exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ConfigurationError(
            "DATABASE_URL is no database address, such as postgresql+psycopg://user@host/name"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    match parsed.get_backend_name():
        case "sqlite":
            engine = create_engine(
                parsed, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}, pool_size=pool_size
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        case "postgresql":
            return postgresql_engine(parsed, pool_size)
        case other:
            raise ConfigurationError(f"DATABASE_URL: {other} is not supported, use postgresql or sqlite")


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own BEGIN would come too late and as a reader's: see _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    [mode] = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode not in ("wal", "memory"):
        # Its processes share memory through a file; without that they would hold one another up for ever.
        raise ConfigurationError(
            "the file system cannot share a SQLite database: put DELINEATE_HOME on a disk of this machine"
        )
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for another writer: SQLite refuses it at once.
    # Taking the write lock at BEGIN makes it wait its turn instead.
    read_only = connection.get_execution_options().get("delineate_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
