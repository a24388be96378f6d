"""Fixtures of all tiers: real servers, fresh databases, every object store.

A tier is a folder: what lies in tests/integration and tests/acceptance gets the marker of that name. A fixture
that runs over several backends marks its server-bound ones itself, so that one contract test has its fast half in
the unit tier (`-m "not integration and not acceptance"`) and the rest in the integration tier (`-m integration`).

A server that is not installed skips its tests on a laptop and fails them where CI=true.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import botocore.session
import psycopg
import pytest
from hypothesis import settings
from redis import Redis

from devservers import (
    S3Endpoint,
    ServerMissing,
    chromium_executable,
    nginx_executable,
    pgbouncer,
    postgres_server,
    redis_server,
    s3_server,
)
from shared.store import ObjectStore, open_store

_TIERS = ("integration", "acceptance")
_TESTS = Path(__file__).parent
_IN_CI = os.environ.get("CI") == "true"

# No deadline: a busy machine is no defect. In CI the examples are the same in every run.
settings.register_profile("delineate", deadline=None, derandomize=_IN_CI)
settings.load_profile("delineate")


# Every store has a session of the SDK, which reads its description of S3 anew: a tenth of a second each time.
botocore.session.create_loader = cache(botocore.session.create_loader)


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0] if item.path.is_relative_to(_TESTS) else ""
        if folder in _TIERS:
            item.add_marker(folder)


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """Put back the levels that a command run in this process sets for good: later tests look at the log."""
    root = logging.getLogger()
    before = {name: found.level for name, found in root.manager.loggerDict.items() if isinstance(found, logging.Logger)}
    level = root.level
    yield
    for name, found in [("", root), *root.manager.loggerDict.items()]:
        should = before.get(name, logging.NOTSET) if name else level
        if isinstance(found, logging.Logger) and found.level != should:  # setting it empties the caches of all
            found.setLevel(should)
    logging.captureWarnings(False)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis server that all tests of this process share; see `broker_url` for an empty one."""
    with _installed(), redis_server() as url:
        yield url


@pytest.fixture
def broker_url(redis_url: str) -> str:
    """The same server, emptied before the test."""
    with Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL server that all tests of this process share; its user may create databases."""
    with _installed(), postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[S3Endpoint]:
    """Address and credentials of an S3 server that all tests of this process share."""
    with _installed(), s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a browser."""
    with _installed():
        return chromium_executable()


@pytest.fixture
def nginx_is_installed() -> None:
    """For what runs `devservers.nginx`."""
    with _installed():
        nginx_executable()


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgres_url.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pooled_database_url(postgres_database_url: str) -> Iterator[str]:
    """The same database through a pool of two sessions, which change with each transaction."""
    with _installed(), pgbouncer(postgres_database_url, sessions=2) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLAlchemy URL of an empty database of the test's own: SQLite, then PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    return request.getfixturevalue("postgres_database_url")


@pytest.fixture
def s3_store(s3_endpoint: S3Endpoint) -> Iterator[ObjectStore]:
    """A bucket of the test's own."""
    store = s3_endpoint.open(f"test-{uuid.uuid4().hex}")
    store.prepare()
    yield store
    store.close()


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.integration)])
def object_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty object store of the test's own, on every backend in turn."""
    if request.param == "s3":
        return request.getfixturevalue("s3_store")
    url = f"memory://{uuid.uuid4()}" if request.param == "memory" else (tmp_path / "objects").as_uri()
    store = open_store(url)
    store.prepare()
    return store


@contextmanager
def _installed() -> Iterator[None]:
    """Skip the tests that need a server which is not installed; fail them in CI, where every test has to run."""
    try:
        yield
    except ServerMissing as missing:
        if _IN_CI:
            pytest.fail(f"{missing} (in CI every server has to be there)")
        pytest.skip(str(missing))
