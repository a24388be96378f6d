"""A PostgreSQL server that fails over: read-only under open connections, ending them, starting; all of it passes."""

import psycopg
import pytest
from sqlalchemy import insert, make_url, text

from shared.db.database import Database
from shared.db.tables.accounts import UserRow
from shared.errors import DatabaseUnavailable
from tests.prepared_tables import make_tables


@pytest.fixture
def administrator(postgres_database_url: str):
    dsn = make_url(postgres_database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def database(postgres_database_url: str):
    database = Database(postgres_database_url, pool_size=1)
    make_tables(database)
    yield database
    database.close()


def write(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(UserRow).values(name=name, password_hash="h", created_at=0.0))


def session_of(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(text("SELECT pg_backend_pid()"))


def make_read_only(administrator: psycopg.Connection, read_only: bool) -> None:
    administrator.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
    administrator.execute("SELECT pg_reload_conf()")


def wait_until_sessions_are_read_only(database: Database) -> None:
    with database.connect() as connection:
        while connection.scalar(text("SHOW default_transaction_read_only")) != "on":
            connection.rollback()


def test_a_server_that_became_read_only_is_away_and_its_connections_go(
    database: Database, administrator: psycopg.Connection
) -> None:
    before = session_of(database)
    make_read_only(administrator, True)
    try:
        wait_until_sessions_are_read_only(database)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            write(database, "first")
        # No connection is left that could go on failing after the failover; new ones are refused where they are made.
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            write(database, "first")
        with pytest.raises(DatabaseUnavailable):
            database.check()
    finally:
        administrator.execute("SET default_transaction_read_only = off")
        make_read_only(administrator, False)
    for _ in range(100):
        try:
            write(database, "second")
            break
        except DatabaseUnavailable:
            continue
    assert session_of(database) != before
    database.check()


def test_readiness_sees_a_server_that_takes_no_writes(database: Database, administrator: psycopg.Connection) -> None:
    session_of(database)
    make_read_only(administrator, True)
    try:
        wait_until_sessions_are_read_only(database)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            database.check()
    finally:
        administrator.execute("SET default_transaction_read_only = off")
        make_read_only(administrator, False)


def test_a_session_that_is_ended_in_a_transaction_is_an_outage(
    database: Database, administrator: psycopg.Connection
) -> None:
    def be_ended() -> None:
        with database.write() as connection:
            session = connection.scalar(text("SELECT pg_backend_pid()"))
            administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [session])
            connection.execute(insert(UserRow).values(name="lost", password_hash="h", created_at=0.0))

    with pytest.raises(DatabaseUnavailable):
        be_ended()
    write(database, "next")


@pytest.mark.parametrize("state", ["57P01", "57P02", "57P03", "25006", "53300", "08006", "40001", "40P01"])
def test_states_that_pass(database: Database, state: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseUnavailable), database.write() as connection:
        connection.execute(text(raising))
    write(database, "next")
