"""For what works on rows: a migrated database, SQLite and PostgreSQL in turn, and jobs to work on."""

from collections.abc import Callable, Iterator

import pytest

from shared.db.database import Database
from shared.db.migrate import migrate
from shared.db.tables import new_id
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind

MakeJob = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    migrate(database)
    yield database
    database.close()


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
