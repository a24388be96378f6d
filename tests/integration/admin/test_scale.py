"""What a page reads of a large job is bounded: held to the plans that PostgreSQL runs, not to a clock."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, text

from admin.domain import queries
from benchmarks.million_items import SHARD, Filled, Visitor, admin_over, analyse, fill, pages, rounds_of
from shared.db.database import Database
from shared.jobs.item_search import SCANNED
from shared.services import Services
from shared.upkeep.retention import Retention, RetentionRules
from tests.prepared_tables import make_tables

ITEMS = 20_000
_READS = ("SELECT", "WITH")
# More than 1,000: names are looked for in SCANNED rows at a time, of those with a value and of those without. Of one
# cause by name, and of a range in another column's order, all rows are read and sorted: no index holds every pair.
MOST = {
    "items, a name": 2 * SCANNED,
    "items, a name that is nowhere, lowest Dice": 2 * SCANNED,
    "items, one code, by name": SCANNED,
    "item, among the familiar by Dice": SCANNED,
}


class Large(NamedTuple):
    """The admin over a database with a job of so many items among smaller ones."""

    services: Services
    app: Flask
    job: str


@pytest.fixture(scope="module")
def large(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = f"{postgres_url.rpartition('/')[0]}/{name}"
    with admin_over(url, tmp_path_factory.mktemp("admin")) as (services, app):
        make_tables(services.database)
        for _ in range(10):
            fill(services.database, Filled(200, 200))
        job = fill(services.database, Filled(ITEMS, ITEMS // 2 // SHARD * SHARD, running=SHARD, fails=3))
        analyse(services.database)
        yield Large(services, app, job)


def test_no_page_reads_more_items_than_it_shows(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_COUNTED", 300)
    visitor = Visitor(large.app, large.services)
    read = {}
    for name, address in pages(large.services, large.job).items():
        with statements(large.services.database) as executed:
            visitor.visit(address)
        assert executed
        read[name] = max(items_read(large.services.database, *each) for each in executed)
    # Of the largest page of the API 501; of the failures 301 of each of three codes.
    assert {name: count for name, count in read.items() if count > MOST.get(name, 1000)} == {}
    assert read["items, middle page"] >= queries.ITEMS_A_PAGE


def test_no_round_reads_the_items_of_a_large_job(large: Large) -> None:
    read = {}
    for name, ask in rounds_of(large.services, large.job).items():
        with statements(large.services.database) as executed:
            ask()
        assert executed
        read[name] = max(items_read(large.services.database, *each) for each in executed)
    assert {name: count for name, count in read.items() if count > 200} == {}


def test_failures_are_counted_as_far_as_one_wants_to_know(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    database, job = large.services.database, large.services.repository.job(large.job)
    exact = queries.failure_reasons(database, job)
    assert sum(reason.count for reason in exact) == job.counts.failed
    assert {reason.code for reason in exact} == {"not_an_image", "truncated", "too_small"}
    assert not any(reason.more for reason in exact)
    monkeypatch.setattr(queries, "MAX_COUNTED", 100)
    assert [(reason.count, reason.more) for reason in queries.failure_reasons(database, job)] == [(100, True)] * 3


def test_a_history_of_ended_jobs_costs_a_round_nothing(large: Large) -> None:
    """All of them tidied and without sources; the job that is open is found by an index of its own."""
    database = large.services.database
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO jobs (id, kind, name, state, priority, created_at, finished_at, sealed_at, submitted_by, "
                "tidied_at, sources_removed_at) "
                "SELECT gen_random_uuid(), 'images', '', 'succeeded', 0, 1, i, 1, '', 1, 1 "
                "FROM generate_series(1, 20000) AS i"
            )
        )
        connection.execute(text("UPDATE jobs SET tidied_at = 1, sources_removed_at = 1 WHERE finished_at IS NOT NULL"))
    analyse(database)
    rules = RetentionRules(tidy_after=180, remove_sources_after=180, remove_jobs_after=1e10)
    retention = Retention(database, large.services.store, rules)
    with statements(database) as executed:
        large.services.repository.close_finished()
        assert not retention.step()
    assert len(executed) >= 4
    assert max(rows_read(explain(database, *each), "jobs") for each in executed) < 100


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    executed: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, _c: object, _many: bool) -> None:
        if statement.lstrip().startswith(_READS):
            executed.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def items_read(database: Database, statement: str, parameters: Any) -> int:
    return rows_read(explain(database, statement, parameters), "items")


def explain(database: Database, statement: str, parameters: Any) -> Any:
    with database.read() as connection:
        answer = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    return json.loads(answer) if isinstance(answer, str) else answer


def rows_read(plan: Any, table: str) -> int:
    """Rows of a table that its scans looked at, those that a filter dropped too."""
    if isinstance(plan, list):
        return sum(rows_read(part, table) for part in plan)
    if not isinstance(plan, dict):
        return 0
    here = 0
    if plan.get("Relation Name") == table:
        passed = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        here = plan["Actual Loops"] * (passed + plan.get("Rows Removed by Index Recheck", 0))
    return int(here) + sum(rows_read(value, table) for value in plan.values() if isinstance(value, list | dict))
