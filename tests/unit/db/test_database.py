import os
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import PendingRollbackError

import shared.db
from shared.db.database import SCHEMA_VERSION, Database, db_now
from shared.db.migrate import migrate
from shared.db.tables.accounts import UserRow
from shared.db.tables.base import Base
from shared.db.tables.jobs import ItemRow
from shared.errors import ConfigurationError, DatabaseFull, DatabaseUnavailable


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.check()
    migrate(database)  # twice does no harm


def test_the_version_that_is_asked_for_is_that_of_the_newest_migration() -> None:
    revisions = ScriptDirectory(str(Path(shared.db.__file__).parent / "migrations"))
    assert revisions.get_current_head() == SCHEMA_VERSION


def test_an_empty_database_is_told_apart(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(ConfigurationError, match=r"admin migrate|make up"):
        database.check()
    with pytest.raises(ConfigurationError, match="admin migrate"), database.write() as connection:
        connection.execute(select(UserRow.name))
    database.close()


def test_the_clock_is_unix_time_and_goes_on_within_a_transaction(database: Database) -> None:
    with database.read() as connection:
        first = connection.execute(select(db_now())).scalar_one()
        time.sleep(0.01)
        second = connection.execute(select(db_now())).scalar_one()
    assert abs(first - time.time()) < 60
    assert second > first


def test_an_exception_rolls_back(database: Database) -> None:
    class BoomError(Exception):
        pass

    user = insert(UserRow).values(name="n", password_hash="h", created_at=0.0)

    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(user)
            raise BoomError

    with pytest.raises(BoomError):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(select(UserRow.name)).all() == []


def test_writers_wait_for_one_another(database: Database) -> None:
    """A transaction that reads first and then writes sees no other's half-done work and loses none of its own."""
    with database.write() as connection:
        connection.execute(insert(UserRow).values(name="n", password_hash="h", created_at=0.0))

    def increment() -> None:
        for _ in range(20):
            with database.write() as connection:
                count = connection.execute(select(UserRow.created_at).with_for_update()).scalar_one()
                connection.execute(text("UPDATE users SET created_at = :value"), {"value": count + 1})

    threads = [threading.Thread(target=increment) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute(select(UserRow.created_at)).scalar_one() == 60


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "", "redis://localhost"])
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(url)


def test_nothing_listening_is_retryable_and_keeps_the_password() -> None:
    database = Database("postgresql://user:hunter2@127.0.0.1:1/db")
    with pytest.raises(DatabaseUnavailable) as caught, database.read():
        pass
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_broken_file_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"this is no database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with pytest.raises(ConfigurationError, match="not a database"):
        database.check()


def test_a_full_sqlite_database_says_so_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}", pool_size=1)
    migrate(database)
    user = insert(UserRow).values(name="first", password_hash="h", created_at=0.0)
    with database.write() as connection:
        connection.execute(user)
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    def write_much() -> None:
        with database.write() as connection:
            connection.execute(insert(UserRow).values(name="second", password_hash="h" * 100_000, created_at=0.0))

    with pytest.raises(DatabaseFull, match=r"no room.*disk is full"):
        write_much()
    with database.write() as connection:
        assert connection.execute(select(UserRow.name)).scalars().all() == ["first"]
        connection.execute(text(f"PRAGMA max_page_count = {pages + 1000}"))
    write_much()
    with database.read() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    database.close()


@pytest.mark.integration
def test_a_full_postgres_disk_is_told_by_its_code(postgres_database_url: str) -> None:
    database = Database(postgres_database_url)
    full = text("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")
    with pytest.raises(DatabaseFull, match="no room: could not extend file"), database.write() as connection:
        connection.execute(full)
    database.close()


@pytest.mark.integration
def test_the_kernel_watches_over_connections_to_postgres(postgres_database_url: str) -> None:
    database = Database(postgres_database_url)
    with database.read() as connection:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, psycopg.Connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as watched:
            assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert 0 < watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 30
            assert 0 < watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
    database.close()


@pytest.mark.integration
def test_the_indexes_of_a_large_table_are_made_while_others_write_and_again_after_any_interruption(
    postgres_database_url: str,
) -> None:
    database = Database(postgres_database_url)
    migrate(database, "0004")
    with database.write() as connection:  # what an interrupted attempt left
        connection.execute(text("CREATE INDEX ix_items_failures ON items (job_id)"))
    made: dict[str, str] = {}

    @event.listens_for(database.engine, "before_cursor_execute")
    def cut_each_once(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found = re.match(r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(\w+) ON items\b", statement)
        if found and found[1] not in made:
            made[found[1]] = statement
            raise KeyboardInterrupt

    for _ in range(100):
        with suppress(KeyboardInterrupt, PendingRollbackError):
            migrate(database)
            break
    new = {str(index.name) for index in ItemRow.__table__.indexes} - {
        "ix_items_shard_id_state", "ix_items_job_id_state_number", "ix_items_token", "ix_items_lease_until",
    }  # fmt: skip
    assert made.keys() == new
    assert all("CONCURRENTLY" in statement for statement in made.values())
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_items_failures'::regclass"
        assert connection.execute(text(valid)).scalar_one()
    database.check()
    database.close()


def test_connections_from_before_a_restart_are_replaced(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    monkeypatch.setattr("shared.db.postgresql._PING_AFTER_IDLE_SECONDS", 0.0)
    with database.read() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    with database.write() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != before
