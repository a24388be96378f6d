"""PostgreSQL's engine: its connections, behind a pooler or not, and what becomes of them when a server fails over."""

import math
import time
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, exc
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from shared.errors import ConfigurationError

# A server that vanishes without a word (a host that loses power, a firewall that forgets) is noticed within half a
# minute. By default the kernel takes a quarter of an hour, two hours for one that owes an answer, and whoever waits,
# a reconciler say, hangs as long.
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    # A server that takes no writes, as one that was the primary until a moment ago, is one that is away.
    "target_session_attrs": "read-write",
}
# A connection that was used a moment ago is taken to live; an older one is asked, since the server may have restarted.
_PING_AFTER_IDLE_SECONDS = 1.0
_NO_STATEMENTS = {"0", "none", ""}

AWAY = ("08", "57P", "25006", "53300", "58030")
"""Beginnings of the SQLSTATEs of a server that stops, starts, fails over, or has no connection left."""


def postgresql_engine(url: URL, pool_size: int) -> Engine:
    """Return an engine that connects lazily.

    Raises:
        ConfigurationError: a parameter of the URL that the driver does not know.
    """
    threshold = url.query.get("prepare_threshold")
    query = {name: value for name, value in url.query.items() if name != "prepare_threshold"}
    _check_parameters(query)
    options: dict[str, Any] = {name: value for name, value in _CONNECTION.items() if name not in query}
    if threshold is not None:
        options["prepare_threshold"] = _threshold(threshold)
    engine = create_engine(
        url.set(query=query),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_use_lifo=True,  # the connection that was used last needs no question whether it lives
        connect_args=options,
    )
    if threshold is None:
        event.listen(engine, "connect", _prepare_nothing_behind_a_pooler)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping_if_idle)
    event.listen(engine, "handle_error", _drop_connections_of_a_server_that_is_away)
    return engine


def _check_parameters(query: dict[str, Any]) -> None:
    try:
        psycopg.conninfo.make_conninfo("", **{name: value for name, value in query.items() if isinstance(value, str)})
    except psycopg.Error as error:
        raise ConfigurationError(f"DATABASE_URL: {str(error).strip()}") from error


def _threshold(value: str | tuple[str, ...]) -> int | None:
    """Return the driver's own value; its 0 would mean the opposite of what everybody else's does."""
    if isinstance(value, str) and value.lower() in _NO_STATEMENTS:
        return None
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    raise ConfigurationError("DATABASE_URL: prepare_threshold is a number of executions; 0: prepare nothing")


def _prepare_nothing_behind_a_pooler(connection: Any, _record: object) -> None:
    # PgBouncer and its like give each transaction another session of the server, which lacks what was prepared in the
    # one before. They make up a process id of their own for the client, which tells them apart from a server.
    with connection.cursor() as cursor:
        process = cursor.execute("SELECT pg_backend_pid()").fetchone()[0]
    connection.rollback()
    if process != connection.info.backend_pid:
        connection.prepare_threshold = None


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(connection: DBAPIConnection, record: ConnectionPoolEntry, _fairy: object) -> None:
    # The pool's own ping asks before every transaction, which costs as much as a statement.
    if time.monotonic() - record.info.get("used", math.inf) < _PING_AFTER_IDLE_SECONDS:
        return
    try:
        connection.cursor().execute("")
        connection.rollback()
    except psycopg.Error as error:
        raise exc.DisconnectionError from error  # the pool opens another one


def _drop_connections_of_a_server_that_is_away(context: ExceptionContext) -> None:
    # A server that became a replica goes on to answer: its connections would stay, and fail, for ever.
    if str(getattr(context.original_exception, "sqlstate", None) or "").startswith(AWAY):
        context.is_disconnect = True
