"""Whether the admin lives, and whether it can work: for load balancers and `docker compose`. Asks for no login."""

from typing import cast

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from admin.web.context import services
from shared.errors import DelineateError
from shared.health import Readiness
from shared.jobs.workers import ALIVE_SECONDS

READINESS = "delineate-readiness"
"""Where the application keeps its Readiness."""

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/live")
def live() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return {"live": True}


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """Database, queue and object store answer. A worker is counted, but not needed: pages work without one."""
    answers = cast(Readiness, current_app.extensions[READINESS]).answers()
    is_ready = all(answers.values())
    workers = _count_workers() if answers["database"] else 0
    return {"ready": is_ready, "workers": workers, **answers}, 200 if is_ready else 503


def _count_workers() -> int:
    try:
        return len(services().workers.alive(within=ALIVE_SECONDS))
    except DelineateError:
        return 0
