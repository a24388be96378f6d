"""For what works on rows: a migrated database, SQLite and PostgreSQL in turn, and jobs to work on.

And for commands, which find the stack by the environment: `own_home`, with `own_services` over it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.config import load_settings
from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.services import Services, connect
from tests.prepared_tables import make_tables

MakeJob = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    make_tables(database)
    yield database
    database.close()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the settings at SQLite and a folder of the test's own, which is returned; nothing is made there."""
    monkeypatch.setenv("DELINEATE_HOME", str(tmp_path))
    # Set, an address of this machine's own `.env` cannot come in.
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/delineate.sqlite3")
    monkeypatch.setenv("STORE_URL", (tmp_path / "objects").as_uri())
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")  # nobody is asked
    return tmp_path


@pytest.fixture
def own_services(own_home: Path) -> Iterator[Services]:
    """What the settings point at, ready, with nobody at work."""
    services = connect(load_settings())
    make_tables(services.database)
    services.store.prepare()
    yield services
    services.close()


@pytest.fixture
def repository(database: Database) -> Repository:
    return Repository(database)


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database, lease_seconds=60, max_attempts=3)


@pytest.fixture
def impatient(database: Database) -> Claims:
    """Claims whose leases have run out as soon as they are given."""
    return Claims(database, lease_seconds=-1, max_attempts=3)


@pytest.fixture
def make_job(repository: Repository) -> MakeJob:
    """Make a sealed job with shards of the given sizes; return its id and those of its shards."""

    def make(*sizes: int, seal: bool = True, name: str = "job", priority: int = 0) -> tuple[str, list[str]]:
        job_id = repository.create_job(JobKind.IMAGES, name=name, submitted_by="test", priority=priority)
        shard_ids = [
            repository.add_shard(
                job_id,
                [
                    NewItem(id=new_id(), path=f"{shard}/{item}.png", source_key=f"{shard}/{item}")
                    for item in range(size)
                ],
            )
            for shard, size in enumerate(sizes)
        ]
        if seal:
            repository.seal(job_id)
        return job_id, shard_ids

    return make
