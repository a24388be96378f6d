"""PgBouncer in transaction mode: each transaction may get another session, with what somebody else prepared in it."""

import threading

import pytest
from sqlalchemy import select, text

from shared.db.database import Database, db_now
from shared.db.migrate import migrate
from shared.errors import ConfigurationError


def use_in_threads(database: Database, threads: int, rounds: int) -> list[Exception]:
    """Run the same statements so often that the driver would prepare them; return what was raised."""
    errors: list[Exception] = []

    def use() -> None:
        try:
            for number in range(rounds):
                with database.write() as connection:
                    connection.execute(select(db_now())).scalar_one()
                    assert connection.scalar(text("SELECT CAST(:n AS integer)"), {"n": number}) == number
                with database.read() as connection:
                    connection.execute(select(db_now())).scalar_one()
        except Exception as error:
            errors.append(error)

    users = [threading.Thread(target=use) for _ in range(threads)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    return errors


def test_behind_a_pooler_nothing_is_prepared(pooled_database_url: str) -> None:
    database = Database(pooled_database_url, pool_size=6)
    migrate(database)
    database.check()
    assert use_in_threads(database, threads=6, rounds=30) == []
    database.close()


def test_the_server_itself_prepares(postgres_database_url: str) -> None:
    database = Database(postgres_database_url, pool_size=1)
    assert use_in_threads(database, threads=1, rounds=30) == []
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) > 0
    database.close()


@pytest.mark.parametrize("off", ["0", "none", "None"])
def test_the_address_may_say_so(pooled_database_url: str, postgres_database_url: str, off: str) -> None:
    for url in (pooled_database_url, postgres_database_url):
        database = Database(f"{url}?prepare_threshold={off}", pool_size=1)
        assert use_in_threads(database, threads=1, rounds=30) == []
        with database.read() as connection:
            assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
        database.close()


def test_statements_that_are_prepared_all_the_same_are_told(pooled_database_url: str) -> None:
    database = Database(f"{pooled_database_url}?prepare_threshold=1", pool_size=6)
    errors = use_in_threads(database, threads=6, rounds=30)
    database.close()
    assert errors
    assert {type(error) for error in errors} == {ConfigurationError}
    assert "prepare_threshold=0" in str(errors[0])
