"""The workers, and how fast they run."""

from admin.api import schemas
from admin.api.operations import operation
from admin.web.context import services
from shared.jobs.workers import SHOWN_SECONDS


@operation("GET", "/workers", answer=schemas.Workers)
def workers() -> schemas.Workers:
    """List the workers that live: how fast each runs, its share of the bare model's speed, what limits it."""
    workers = services().workers
    return schemas.Workers.of(workers.alive(within=SHOWN_SECONDS), workers.quiet_for())
