"""The workers, and how fast they run."""

from admin import queries
from admin.api import schemas
from admin.api.operations import operation
from admin.context import services


@operation("GET", "/workers", answer=schemas.Workers)
def workers() -> schemas.Workers:
    """List the workers that live: how fast each runs, its share of the bare model's speed, what limits it."""
    return schemas.Workers.of(services().workers.alive(within=queries.WORKER_SEEN_WITHIN))
