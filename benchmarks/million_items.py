"""Lists and pages with a million items in SQL: how long the admin takes for each, and how much of it is its own.

    python -m benchmarks.million_items

A PostgreSQL server of its own holds a job of 10⁶ images, half of them ended and a sixth failed, and 1,000 jobs of
1,000 images, a tenth of which waits. The admin answers in this process, without a network; a figure is the time from
a request to the end of its answer, the database's share included, as somebody sees it who is alone with it. Beside
the pages stand the statements of each round of the reconciler and the dispatcher.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from admin.serving.app import create_app
from admin.web.metrics import backlog, running
from benchmarks.measure import Effort, Row, command
from devservers import postgres_server
from shared.config import load_settings
from shared.db.database import Database
from shared.db.measurements import MEASUREMENTS, Measurement
from shared.db.migrate import migrate
from shared.db.tables.base import new_id
from shared.jobs.item_filter import ItemFilter, ItemSort, Range
from shared.jobs.item_search import ItemSearch
from shared.jobs.state import JobKind, JobStatus
from shared.services import Services, connect

SHARD = 64

_STATE = """CASE WHEN i < {ended} THEN CASE WHEN mod(i, {fails}) = 0 THEN 'failed' ELSE 'succeeded' END
                 WHEN i < {ended} + {running} THEN 'running' ELSE 'pending' END"""
_JOB = """
    INSERT INTO jobs (id, kind, name, state, priority, created_at, started_at, finished_at, sealed_at, submitted_by)
    VALUES ('{job}', '{kind}', '{name}', '{state}', 0, {now} - 3600, {now} - 3500, {finished}, {now} - 3000, 'filled')
"""
_SHARDS = """
    INSERT INTO shards (id, job_id, number, total, pending, running, succeeded, failed, cancelled, not_before, releases)
    SELECT '{ids}' || 100000000000 + i / {shard}, '{job}', i / {shard}, count(*),
           count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'running'),
           count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'), 0, 0, 0
    FROM (SELECT i, {state_of} AS state FROM generate_series(0, {items} - 1) AS i) AS drawn GROUP BY i / {shard}
"""
_ITEMS = """
    INSERT INTO items (id, job_id, shard_id, number, path, source_key, source_bytes, state, attempts, suspect, token,
        lease_until, worker, error_code, error, finished_at, seconds, width, height, mask_key, probability_key,
        model, threshold, preprocessing, code_version, {measurements})
    SELECT id, '{job}', '{ids}' || 100000000000 + i / {shard}, i, 'folder/image-' || i || '.png',
        'jobs/{job}/source/' || id || '.png', 300000, state, CASE state WHEN 'pending' THEN 0 ELSE 1 END, false,
        CASE state WHEN 'running' THEN id END, CASE state WHEN 'running' THEN {now} + 86400 END,
        CASE state WHEN 'pending' THEN NULL ELSE 'studio:7' END,
        CASE state WHEN 'failed' THEN (ARRAY['not_an_image', 'truncated', 'too_small'])[1 + mod(i / {fails}, 3)] END,
        CASE state WHEN 'failed' THEN 'what is wrong with image ' || i END,
        CASE WHEN ended THEN {now} - 3000 + 3000.0 * i / {items} END, CASE WHEN ended THEN 0.4 END,
        CASE WHEN done THEN 512 END, CASE WHEN done THEN 512 END,
        CASE WHEN done THEN 'jobs/{job}/mask/' || id || '.png' END,
        CASE WHEN done THEN 'jobs/{job}/prob/' || id || '.png' END,
        CASE WHEN done THEN '{model}' END, CASE WHEN done THEN 0.5 END,
        CASE WHEN done THEN 'standardise-1' END, CASE WHEN done THEN '1.0' END, {measured}
    FROM (SELECT i, '{ids}' || 100000000000 + i AS id, state, state = 'succeeded' AS done,
                 state IN ('succeeded', 'failed') AS ended
          FROM (SELECT i, {state_of} AS state FROM generate_series(0, {items} - 1) AS i) AS drawn) AS drawn
"""
_PRIME = 1_000_003


def _spread(place: int, measurement: Measurement) -> str:
    """SQL of a value of image i: another one in each, in no order, from the smallest to the largest there can be."""
    low, high = measurement.minimum or 0.0, 1.0 if measurement.maximum is None else measurement.maximum
    return f"{low} + {high - low} * mod(i * {7919 + 104_730 * place}::bigint, {_PRIME}) / {_PRIME}"


_MEASURED = {name: _spread(place, each) for place, (name, each) in enumerate(MEASUREMENTS.items())}


@dataclass(frozen=True)
class Filled:
    """A job to be filled in: `ended` of its items have, of which every one of `fails` has failed."""

    items: int
    ended: int
    running: int = 0
    fails: int = 100

    @property
    def state(self) -> JobStatus:
        """The state that its items make of a job."""
        return JobStatus.RUNNING if self.ended < self.items else JobStatus.PARTIAL


def fill(database: Database, job: Filled, *, name: str = "filled") -> str:
    """Write a sealed job with its shards and items, as they could have come about, and return its id; PostgreSQL."""
    job_id = new_id()
    now = "extract(epoch from clock_timestamp())"
    values = {
        "job": job_id,
        "ids": new_id()[:24],
        "kind": JobKind.IMAGES,
        "name": name,
        "state": job.state,
        "model": "ab" * 32,
        "shard": SHARD,
        "now": now,
        "finished": f"{now} - 1800" if job.state.is_final else "NULL",
        "items": job.items,
        "fails": job.fails,
        "measurements": ", ".join(_MEASURED),
        "measured": ", ".join(f"CASE WHEN done THEN {value} END" for value in _MEASURED.values()),
        "state_of": _STATE.format(ended=job.ended, running=job.running, fails=job.fails),
    }
    with database.write() as connection:
        for statement in (_JOB, _SHARDS, _ITEMS):
            connection.exec_driver_sql(statement.format(**values))
    return job_id


def analyse(database: Database) -> None:
    """Let the database know what it holds, as its own housekeeping does after a while."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def pages(services: Services, job_id: str) -> dict[str, str]:
    """Return addresses of the admin by name: lists at their beginning, middle and end, and this large job's pages."""
    repository = services.repository
    ids = [job.id for job in repository.jobs(limit=500)]
    middle = repository.job(job_id).counts.total // 2
    end = 2 * middle - 40
    [item] = repository.items(job_id, limit=1, after=middle // 2)
    job, api = f"/jobs/{job_id}", f"/api/v1/jobs/{job_id}"
    return {
        "overview": "/",
        "overview, polled": "/overview/live",
        "overview, its history": "/overview/history",
        "jobs": "/jobs",
        "jobs, polled": "/jobs/live",
        "jobs, those that failed with a code": "/jobs?cause=truncated",
        "jobs, a text in no name": "/jobs?q=no+such+name",
        "jobs, by name, of one owner and state": "/jobs?sort=name&state=failed,partial&owner=filled",
        "jobs, the latest end first": "/jobs?sort=ended",
        "events": "/events",
        "jobs, later page": f"/jobs?before={ids[len(ids) // 2]}",
        "jobs, last page": f"/jobs?before={ids[-2]}",
        "job": job,
        "job, polled": f"{job}/progress",
        "job, its failures": f"{job}?state=failed",
        "items, first page": f"{job}/items",
        "items, middle page": f"{job}/items?after={middle}",
        "items, last page": f"{job}/items?after={end}",
        "failed items, late page": f"{job}/items?state=failed&after={middle - 1000}",
        "pending items, last page": f"{job}/items?state=pending&after={end}",
        "running items": f"{job}/items?state=running",
        "cancelled items, none": f"{job}/items?state=cancelled",
        **{name: f"{job}/items?{words}" for name, words in searches(services, job_id, middle).items()},
        "item": f"/items/{item.id}",
        "item, among the familiar by Dice": f"/items/{item.id}?sort=dice&familiarity_min=0.5",
        "models": "/models",
        "API jobs": "/api/v1/jobs",
        "API jobs, 500": "/api/v1/jobs?limit=500",
        "API job": api,
        "API items, 500 from the middle": f"{api}/items?limit=500&after={middle}",
        "API failed items, late page": f"{api}/items?state=failed&after={middle - 1000}",
        "API item": f"/api/v1/items/{item.id}",
        "API workers": "/api/v1/workers",
        "metrics": "/metrics",
    }


def searches(services: Services, job_id: str, middle: int) -> dict[str, str]:
    """Return filters and orders of this large job's images as words of an address."""
    return {
        "items, least trusted": "sort=trust",
        "items, highest Dice, from the middle": f"sort=-dice&after={_middle(services, job_id)}",
        "items, lowest Dice of two ranges": "sort=dice&familiarity_min=0.5&foreground_min=0.9",
        "items, a narrow range": "quality_min=0.5&quality_max=0.5001",
        "items, two narrow ranges, a third order": "sort=-confidence&quality_max=0.02&trust_max=0.02",
        "items, two ranges without an image, a third order": "sort=-confidence&quality_max=0.5&quality_low_min=2",
        "items, unfamiliar, by time": "mark=unfamiliar&sort=-seconds",
        "items, one code, by name": "code=truncated&sort=path",
        "items, one code, slowest": "code=truncated&sort=-seconds",
        "items, by state, from the end": "sort=-state",
        "items, a name": f"text=image-{middle - 5}",
        "items, a name that is nowhere, lowest Dice": "text=nowhere&sort=dice",
    }


def _middle(services: Services, job_id: str) -> str:
    """The place of the image in the middle of the order by Dice."""
    order = ItemSort("dice", descending=True)
    search = ItemSearch(services.database, job_id, ItemFilter(ranges={"dice": Range(high=0.5)}), order)
    [item] = search.page(limit=1).items
    return search.place_of(item).word(order)


class Visitor:
    """Somebody who is logged in, may read the metrics, and has a token of the API."""

    def __init__(self, app: Flask, services: Services) -> None:
        database = services.database
        accounts.set_password(database, "visitor", "a password of many words")
        self._browser, self._script = app.test_client(), app.test_client()
        with self._browser.session_transaction() as session:
            session["_user_id"] = sessions.begin(database, "visitor")
        self._token = tokens.create(database, "visitor", "script", Role.VIEWER)

    def visit(self, address: str) -> None:
        """Ask for a page and read it to its end."""
        if address == "/metrics":
            answer = self._script.get(address, headers={"Authorization": f"Bearer {_SECRET}"})
        elif address.startswith("/api/"):
            answer = self._script.get(address, headers={"Authorization": f"Bearer {self._token}"})
        else:
            answer = self._browser.get(address)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answers {answer.status}: {answer.text[:200]}")


_SECRET = "of thirty-two characters or more."  # noqa: S105 - of a server that lives for a minute


@contextmanager
def admin_over(url: str, folder: Path) -> Iterator[tuple[Services, Flask]]:
    """Yield the admin over this database, without a queue and over an empty store."""
    settings = load_settings(
        delineate_home=folder,
        database_url=url,
        broker_url="redis://127.0.0.1:1/0",
        store_url=f"memory://{uuid.uuid4()}",
        secret_key=_SECRET,
        metrics_token=SecretStr(_SECRET),
        admin_port=0,
    )
    services = connect(settings)
    try:
        yield services, create_app(settings, services)
    finally:
        services.close()


def rounds_of(services: Services, job_id: str) -> Mapping[str, Callable[[], object]]:
    """Return what the reconciler and the dispatcher ask in each round, by name; nothing of it is due."""
    repository, claims, dispatcher = services.repository, services.claims, services.dispatcher
    return {
        "jobs that have ended": repository.close_finished,
        "leases that ran out": claims.expire,
        "shards to hint at": lambda: dispatcher.next_shards(16),
        "whether a job has ended": lambda: repository.close_if_finished(job_id),
        "backlog for the metrics": lambda: backlog(services.database),
        "images in work for the metrics": lambda: running(services.database),
    }


def rows(effort: Effort) -> list[Row]:
    """Measure each page and each statement; the target is that of a page."""
    items, jobs = effort.of(1_000_000, 20_000), effort.of(1000, 20)
    with postgres_server() as url, TemporaryDirectory() as folder, admin_over(url, Path(folder)) as (services, app):
        migrate(services.database)
        for number in range(jobs):
            fill(services.database, Filled(1000, 1000) if number % 10 else Filled(1000, 512, running=SHARD))
        large = fill(services.database, Filled(items, items // 2 // SHARD * SHARD, running=2 * SHARD, fails=3))
        analyse(services.database)
        visitor = Visitor(app, services)
        visits = {name: _visit(visitor, address) for name, address in pages(services, large).items()}
        works: dict[str, Callable[[], object]] = {f"{items:,} items: {name}": visit for name, visit in visits.items()}
        works |= {f"{items:,} items, a round: {name}": ask for name, ask in rounds_of(services, large).items()}
        return [Row.of(name, "ms", _milliseconds(work, effort.of(15, 2)), at_most=100) for name, work in works.items()]


def _visit(visitor: Visitor, address: str) -> Callable[[], object]:
    return lambda: visitor.visit(address)


def _milliseconds(work: Callable[[], object], count: int) -> list[float]:
    work()
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1000)
    return samples


if __name__ == "__main__":
    command(__doc__, rows)
