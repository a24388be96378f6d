"""Whether the admin lives, and whether it can work: for load balancers and `docker compose`. Asks for no login."""

from collections.abc import Callable

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from admin.context import services
from shared.errors import DelineateError

WORKER_SEEN_WITHIN = 15.0  # seconds

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/live")
def live() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return {"live": True}


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """Database, queue and object store answer. A worker is counted, but not needed: pages work without one."""
    parts = services()
    checks = {"database": parts.database.check, "queue": parts.queue.check, "store": parts.store.check}
    answers = {name: _answers(name, check) for name, check in checks.items()}
    is_ready = all(answers.values())
    workers = _count_workers() if answers["database"] else 0
    return {"ready": is_ready, "workers": workers, **answers}, 200 if is_ready else 503


def _answers(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except DelineateError as error:
        # The reason names addresses: it is for the log, not for whoever asks.
        current_app.logger.warning("%s: %s", name, error, extra={"action": "not_ready"})
        return False
    return True


def _count_workers() -> int:
    try:
        return len(services().workers.alive(within=WORKER_SEEN_WITHIN))
    except DelineateError:
        return 0
