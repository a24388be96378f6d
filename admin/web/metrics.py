"""`/metrics` of the admin: its own counters, and the state of the whole queue as the database has it.

It answers whoever presents METRICS_TOKEN. Without that setting there is no such page.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Flask, Response, abort, current_app, request
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import SecretStr
from sqlalchemy import func, select

from shared.db.database import Database, db_now
from shared.db.tables.jobs import HAS_PENDING, IS_RUNNING, ItemRow, JobRow, ShardRow
from shared.errors import DelineateError
from shared.health import Readiness
from shared.jobs.workers import ALIVE_SECONDS
from shared.monitoring import exposition, may_read
from shared.services import Services

log = logging.getLogger(__name__)

_EXTENSION = "delineate-metrics"
_KEPT_SECONDS = 5.0

BACKLOG = (
    select(JobRow.priority, func.sum(ShardRow.pending), func.count(), db_now() - func.min(JobRow.created_at))
    .join(ShardRow, ShardRow.job_id == JobRow.id)
    .where(HAS_PENDING)
    .group_by(JobRow.priority)
)
IN_WORK = select(func.count()).where(IS_RUNNING, ItemRow.lease_until.is_not(None))

blueprint = Blueprint("metrics", __name__)


@dataclass(frozen=True)
class Backlog:
    """The open items of one priority."""

    pending: int
    shards: int  # with pending items
    oldest: float  # seconds since the oldest job with pending items was submitted


def backlog(database: Database) -> dict[int, Backlog]:
    """Return what waits, by priority. Reads open shards alone: it costs nothing for what has ended."""
    with database.read() as connection:
        rows = connection.execute(BACKLOG).all()
    return {priority: Backlog(int(pending), count, max(float(age), 0.0)) for priority, pending, count, age in rows}


def running(database: Database) -> int:
    """Return how many items are in work; the index of leases holds those alone."""
    with database.read() as connection:
        return int(connection.execute(IN_WORK).scalar_one())


class QueueCollector(Collector):
    """Reads the queue's state when it is scraped, at most every `kept` seconds whoever asks.

    What cannot be read is left out; `delineate_service_up` says why.
    """

    def __init__(self, services: Services, readiness: Readiness, *, kept: float = _KEPT_SECONDS) -> None:
        self._services = services
        self._readiness = readiness
        self._kept = kept
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._read_at = 0.0

    def describe(self) -> list[Metric]:
        """Return the metrics without their values."""
        return list(_families().values())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        with self._lock:
            if not self._metrics or time.monotonic() - self._read_at > self._kept:
                self._metrics = self._read()
                self._read_at = time.monotonic()
            metrics = self._metrics
        yield from metrics

    def _read(self) -> list[Metric]:
        families = _families()
        up = self._readiness.answers()
        for service in ("database", "queue", "store"):
            families["up"].add_metric([service], up[service])
        try:
            if up["database"]:
                self._read_database(families)
            if up["queue"]:
                families["messages"].add_metric([], self._services.queue.length())
        except DelineateError:
            # It went away just now: the next scrape sees it.
            log.info("the queue's state cannot be read", exc_info=True, extra={"action": "unread"})
        return list(families.values())

    def _read_database(self, families: dict[str, GaugeMetricFamily]) -> None:
        database = self._services.database
        for priority, waiting in backlog(database).items():
            families["pending"].add_metric([str(priority)], waiting.pending)
            families["shards"].add_metric([str(priority)], waiting.shards)
            families["oldest"].add_metric([str(priority)], waiting.oldest)
        families["running"].add_metric([], running(database))
        families["workers"].add_metric([], len(self._services.workers.alive(within=ALIVE_SECONDS)))


def _families() -> dict[str, GaugeMetricFamily]:
    by_priority = ["priority"]
    return {
        "pending": GaugeMetricFamily("delineate_pending_images", "Images that wait for a worker.", labels=by_priority),
        "shards": GaugeMetricFamily("delineate_waiting_shards", "Shards with images that wait.", labels=by_priority),
        "oldest": GaugeMetricFamily(
            "delineate_oldest_pending_age_seconds",
            "Since when the oldest job with waiting images is there.",
            labels=by_priority,
        ),
        "running": GaugeMetricFamily("delineate_running_images", "Images that a worker has claimed.", labels=[]),
        "messages": GaugeMetricFamily("delineate_queue_messages", "Hints that stand in Redis.", labels=[]),
        "workers": GaugeMetricFamily("delineate_workers", "Workers that reported lately.", labels=[]),
        "up": GaugeMetricFamily("delineate_service_up", "Whether a service answers the admin.", labels=["service"]),
    }


def init_app(app: Flask, services: Services, readiness: Readiness) -> None:
    """Give the application its registry."""
    registry = CollectorRegistry()
    registry.register(REGISTRY)
    registry.register(QueueCollector(services, readiness))
    app.extensions[_EXTENSION] = (registry, services.settings.metrics_token)
    app.register_blueprint(blueprint)


@blueprint.get("/metrics")
def show() -> Response:
    """Everything that this process counts, and the queue's state."""
    registry, token = cast("tuple[CollectorRegistry, SecretStr | None]", current_app.extensions[_EXTENSION])
    if token is None:
        abort(404)
    if not may_read(request.headers.get("Authorization", ""), token):
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    body, content_type = exposition(request.headers.get("Accept", ""), registry)
    return Response(body, headers={"Content-Type": content_type})
