"""Accounts, tokens and the limit of logins on PostgreSQL; tests/unit/admin/web holds the rest, on SQLite."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import accounts, tokens
from admin.accounts import Role
from admin.auth_limiter import MOST_ATTEMPTS_FROM_AN_ADDRESS, LoginLimiter
from shared.errors import UsageError
from shared.jobs.database import Database


@pytest.fixture
def database(postgres_database_url: str) -> Iterator[Database]:
    database = Database(postgres_database_url)
    database.migrate()
    yield database
    database.close()


def test_two_processes_count_one_limit(database: Database, postgres_database_url: str) -> None:
    other = Database(postgres_database_url)
    limiters = [LoginLimiter(database), LoginLimiter(other)]
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda n: limiters[n % 2].admit("192.0.2.1", f"name {n % 3}"), range(40)))
    other.close()
    assert waits.count(0.0) == MOST_ATTEMPTS_FROM_AN_ADDRESS


def test_a_success_gives_back_its_own_attempt(database: Database) -> None:
    limiter = LoginLimiter(database)
    for _ in range(2 * MOST_ATTEMPTS_FROM_AN_ADDRESS):
        assert limiter.admit("2001:db8::1", "ana") == 0
        limiter.succeeded("2001:db8::1", "ana")


def test_two_operators_cannot_remove_each_other(database: Database) -> None:
    for name in ("ana", "bo"):
        accounts.add(database, name, f"words that {name} knows", Role.OPERATOR)
    token = tokens.create(database, "ana", "script", Role.OPERATOR, days=1)
    assert tokens.bearer(database, token)

    def remove(name: str) -> bool:
        try:
            accounts.remove(database, name)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ("ana", "bo"))) == [False, True]
    (left,) = accounts.accounts(database)
    assert (tokens.bearer(database, token) is None) is (left.name == "bo")
