"""A bulk action over many failed images in PostgreSQL: how soon it is answered, and how fast it is done behind that.

    python -m benchmarks.bulk_retry

A server of its own holds one large job and many small ones, a sixth of whose images failed with one of three codes; all
that failed with one of them is retried. The figures are the time until the action stands, the images put back per
second, and the time of the list of jobs while that goes on.
"""

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from admin.domain import queries
from benchmarks.measure import Effort, Row, command
from benchmarks.million_items import SHARD, Filled, admin_over, analyse, fill
from devservers import postgres_server
from shared.db.events import SYSTEM
from shared.db.migrate import migrate
from shared.jobs import bulk_actions
from shared.jobs.bulk_actions import BulkKind, BulkOrder
from shared.jobs.filters import JobFilter
from shared.jobs.retries import go_on_with_all
from shared.services import Services
from shared.upkeep.bulk import BulkRunner
from shared.upkeep.tally import tally

_CODE = "truncated"


def rows(effort: Effort) -> list[Row]:
    """Measure one action over everything."""
    items, jobs = effort.of(1_000_000, 20_000), effort.of(1000, 20)
    with postgres_server() as url, TemporaryDirectory() as folder, admin_over(url, Path(folder)) as (services, _):
        migrate(services.database)
        for _ in range(jobs):
            fill(services.database, Filled(1000, 1000, fails=2))
        fill(services.database, Filled(items, items // SHARD * SHARD, fails=2))
        while tally(services.database):
            pass
        analyse(services.database)
        return _measure(services, f"{items + 1000 * jobs:,} items")


def _measure(services: Services, of: str) -> list[Row]:
    order = BulkOrder(BulkKind.RETRY, filter=JobFilter(cause=_CODE), codes=[_CODE])
    begun = time.perf_counter()
    asked = bulk_actions.ask(services.database, order, by=SYSTEM)
    answered = time.perf_counter() - begun
    pages: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            start = time.perf_counter()
            queries.jobs_page(services.repository, None)
            pages.append((time.perf_counter() - start) * 1000)
            done.wait(0.1)

    watcher = threading.Thread(target=look)
    watcher.start()
    begun = time.perf_counter()
    try:
        while bulk_actions.bulk_action(services.database, asked.id).finished_at is None:
            go_on_with_all(services.database)
            BulkRunner(services.repository).round()
    finally:
        done.set()
        watcher.join()
    seconds = time.perf_counter() - begun
    images = bulk_actions.bulk_action(services.database, asked.id).items_done
    return [
        Row.of(f"{of}: a retry by cause is answered", "ms", [answered * 1000], at_most=200),
        Row.of(f"{of}: images put back", "images/s", [images / seconds], at_least=20_000),
        Row.of(f"{of}: the list meanwhile", "ms", pages, at_most=100),
    ]


if __name__ == "__main__":
    command(__doc__, rows)
