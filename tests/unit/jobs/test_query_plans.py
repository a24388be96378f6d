"""What workers, the reconciler and the dispatcher ask again and again costs the same however much stands in SQL."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.queue.dispatch import Dispatcher
from tests.outcomes import all_succeed
from tests.prepared_tables import make_tables
from tests.unit.jobs.bulk import large_job
from tests.unit.queue.memory_queue import MemoryQueue

Step = tuple[str, Callable[[], object]]


def daily_work(database: Database) -> Iterator[Step]:
    """Yield, by name, each thing that is done for a shard or in a round."""
    repository = Repository(database)
    claims = Claims(database, lease_seconds=60, max_attempts=3)
    queue = MemoryQueue()
    dispatcher = Dispatcher(database, queue, window=16, resend_after=20)  # type: ignore[arg-type]
    open_job = repository.create_job(JobKind.IMAGES, name="open", submitted_by="test")
    yield "add_shard", lambda: repository.add_shard(open_job, [NewItem(id=new_id(), path="a", source_key="k")])
    yield "fill", dispatcher.fill
    shard = queue.messages[-1].shard
    yield "more_urgent", lambda: dispatcher.more_urgent(shard)
    held = [claims.claim(message.shard, worker="w") for message in queue.messages[:3]]
    first, second, _ = [claim for claim in held if claim]
    yield "claim", lambda: claims.claim(shard, worker="w")
    yield "renew", lambda: claims.renew([first.token, second.token])
    yield "complete", lambda: claims.complete(first, all_succeed(first))
    yield "release", lambda: claims.release(second)
    yield "has_quarantined", lambda: claims.has_quarantined(shard)
    yield "cancelled_jobs", lambda: claims.cancelled_jobs([first.job_id])
    yield "close_if_finished", lambda: repository.close_if_finished(first.job_id)
    yield "expire", claims.expire
    yield "close_finished", repository.close_finished
    queue.messages.clear()
    yield "fill again", dispatcher.fill


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_work_does_not_grow_with_the_backlog(database: Database, tmp_path: Path) -> None:
    """In steps of SQLite's machine, which are the same in every run."""
    small = steps_of(database, shards=200)
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    make_tables(other)
    large = steps_of(other, shards=2000)
    other.close()
    assert small.keys() == large.keys()
    grown = {name: (small[name], large[name]) for name in small if large[name] > 1.5 * small[name] + 200}
    assert not grown


def steps_of(database: Database, *, shards: int) -> dict[str, int]:
    large_job(database, shards=shards, size=32)
    large_job(database, shards=shards // 2, size=32)
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1

    # One connection at a time is in use, so the pool gives the same one.
    with database.read() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(step, 10)
    result = {}
    for name, work in daily_work(database):
        before = taken
        work()
        result[name] = 10 * (taken - before)
    assert result["fill"] > 0
    return result


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.integration)], indirect=True)
def test_postgres_reads_no_table_of_items_or_shards_to_its_end(database: Database) -> None:
    large_job(database, shards=2000, size=32)
    large_job(database, shards=1000, size=32)
    scanned = []
    for name, work in daily_work(database):
        with statements(database) as executed:
            work()
        for statement, parameters in executed:
            plan = explain(database, statement, parameters)
            scanned += [(name, table, statement) for table in ("items", "shards") if reads_all_of(plan, table)]
    assert not scanned


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    executed: list[tuple[str, Any]] = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool
    ) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            executed.append((statement, parameters[0] if many else parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def explain(database: Database, statement: str, parameters: Any) -> Any:
    with database.read() as connection:
        answer = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return json.loads(answer) if isinstance(answer, str) else answer


def reads_all_of(plan: Any, table: str) -> bool:
    if isinstance(plan, list):
        return any(reads_all_of(part, table) for part in plan)
    if not isinstance(plan, dict):
        return False
    if plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") == table:
        return True
    return any(reads_all_of(value, table) for value in plan.values() if isinstance(value, list | dict))
