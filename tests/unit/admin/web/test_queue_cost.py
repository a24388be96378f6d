"""A scrape reads what is open, however much has ended: both databases go by their partial indexes."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, text
from sqlalchemy.sql import Select

from admin.web.metrics import BACKLOG, IN_WORK, Backlog, backlog, running
from shared.db.database import Database
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from tests.prepared_tables import make_tables

ENDED_SHARDS = 3000
ITEMS_A_SHARD = 4

_JOB = {"kind": "images", "name": "job", "created_at": 0.0, "submitted_by": "test"}
_COUNTS = {"pending": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
_SHARD = {"total": ITEMS_A_SHARD, "not_before": 0.0, "releases": 0} | _COUNTS
_ITEM = {"attempts": 1, "quarantined": False}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Thousands of shards that have ended, one with pending items and one with running ones."""
    database = Database(database_url)
    make_tables(database)
    with database.write() as connection:
        connection.execute(
            insert(JobRow), [_JOB | {"id": "old", "state": "succeeded"}, _JOB | {"id": "new", "state": "running"}]
        )
        shards = [_shard(number, "old", "succeeded") for number in range(ENDED_SHARDS)]
        shards += [_shard(0, "new", "pending"), _shard(1, "new", "running")]
        connection.execute(insert(ShardRow), shards)
        for shard in shards:
            state = next(name for name in _COUNTS if shard[name])
            connection.execute(insert(ItemRow), [_item(shard, number, state) for number in range(ITEMS_A_SHARD)])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield database
    database.close()


def _shard(number: int, job: str, state: str) -> dict[str, object]:
    return _SHARD | {"id": f"{job}-{number}", "job_id": job, "number": number, state: ITEMS_A_SHARD}


def _item(shard: dict[str, object], number: int, state: str) -> dict[str, object]:
    name = f"{shard['id']}-{number}"
    claim = {"token": "t", "lease_until": 2e9} if state == "running" else {"token": None, "lease_until": None}
    place = {"id": name, "job_id": shard["job_id"], "shard_id": shard["id"], "path": name}
    return _ITEM | place | claim | {"number": int(str(shard["number"])) * ITEMS_A_SHARD + number, "state": state}


def test_what_is_open_is_counted(database: Database):
    [(priority, waiting)] = backlog(database).items()
    assert priority == 0
    assert waiting == Backlog(pending=ITEMS_A_SHARD, shards=1, oldest=pytest.approx(waiting.oldest))
    assert waiting.oldest > 1e9  # the job is from 1970
    assert running(database) == ITEMS_A_SHARD


@pytest.mark.parametrize(
    ("statement", "index"), [(BACKLOG, "ix_shards_open"), (IN_WORK, "ix_items_lease_until")], ids=["backlog", "in work"]
)
def test_the_statements_go_by_an_index_of_what_is_open(database: Database, statement: Select, index: str):
    sqlite = database.engine.dialect.name == "sqlite"
    compiled = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
    with database.read() as connection:
        plan = "\n".join(str(row) for row in connection.execute(text(f"{explain} {compiled}")))
    assert index in plan
    assert "Seq Scan on items" not in plan
    assert "Seq Scan on shards" not in plan
