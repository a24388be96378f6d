"""What PostgreSQL does differently from SQLite, on which tests/unit/admin holds the rest: locks, and its texts."""

import io
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from admin.serving.app import create_app
from admin.web.guard.auth_limiter import MAX_ATTEMPTS_BY_ADDRESS, LoginLimiter
from shared.config import load_settings
from shared.db.database import Database
from shared.errors import UsageError
from shared.services import connect
from tests.prepared_tables import make_tables


@pytest.fixture
def database(postgres_database_url: str) -> Iterator[Database]:
    database = Database(postgres_database_url)
    make_tables(database)
    yield database
    database.close()


def test_two_processes_count_one_limit(database: Database, postgres_database_url: str) -> None:
    other = Database(postgres_database_url)
    limiters = [LoginLimiter(database), LoginLimiter(other)]
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda n: limiters[n % 2].admit("192.0.2.1", f"name {n % 3}"), range(40)))
    other.close()
    assert waits.count(0.0) == MAX_ATTEMPTS_BY_ADDRESS


def test_a_success_gives_back_its_own_attempt(database: Database) -> None:
    limiter = LoginLimiter(database)
    for _ in range(2 * MAX_ATTEMPTS_BY_ADDRESS):
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


def test_a_nul_is_refused_and_breaks_nothing(
    database: Database, postgres_database_url: str, broker_url: str, tmp_path: Path
) -> None:
    settings = load_settings(
        delineate_home=tmp_path,
        database_url=postgres_database_url,
        broker_url=broker_url,
        store_url=f"memory://{uuid.uuid4()}",
        secret_key="of thirty-two characters or more.",
    )
    accounts.add(database, "ana", "words that ana knows", Role.OPERATOR)
    known = accounts.find(database, "ana")
    assert known is not None
    services = connect(settings)
    client = create_app(settings, services).test_client()

    def post(path: str, page: str, **fields: str) -> int:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(page).text)
        assert token is not None
        return client.post(path, data={"csrf_token": token[1], **fields}).status_code

    assert post("/login", "/login", name="a\0na", password="words that ana knows") == 401
    headers = {"Authorization": f"Bearer {tokens.create(database, 'ana', 'script', Role.OPERATOR)}"}
    generated = {"count": 1, "name": "a\0b"}
    assert client.post("/api/v1/jobs/synthetic", headers=headers, json=generated).status_code == 422
    uploaded = {"name": "a\0b", "images": (io.BytesIO(b"x"), "a.png")}
    assert client.post("/api/v1/jobs/images", headers=headers, data=uploaded).status_code == 422
    assert client.get("/api/v1/jobs?before=a%00", headers=headers).status_code == 422
    with client.session_transaction() as session:
        session["_user_id"] = sessions.begin(database, "ana")
    spec = {"count": "1", "seed": "0", "severity_from": "0", "severity_to": "1", "noise": ""}
    assert post("/new/synthetic", "/tokens", name="a\0b", **spec) == 302
    assert services.repository.jobs(limit=1)[0].name == "ab"
    assert post("/models/a%00/activate", "/tokens") == 302
    services.close()
