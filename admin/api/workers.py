"""The workers, and how fast they run."""

from admin.api.operations import operation
from admin.api.schemas.workers import Workers
from admin.web.context import services
from shared.jobs.workers import SHOWN_SECONDS


@operation("GET", "/workers", answer=Workers)
def workers() -> Workers:
    """List the workers that live: how fast each runs, its share of the bare model's speed, what limits it."""
    workers = services().workers
    return Workers.of(workers.alive(within=SHOWN_SECONDS), workers.quiet_for())
