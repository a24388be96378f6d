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


@blueprint.get("")
def overall() -> ResponseReturnValue:
    """Whether work is done, and on which device: `ok`; `no worker`, where jobs wait; `not ready`, see `ready`."""
    is_ready = all(cast(Readiness, current_app.extensions[READINESS]).answers().values())
    devices = _devices() if is_ready else []
    status = "not ready" if not is_ready else "ok" if devices else "no worker"
    device = ", ".join(sorted(set(devices))) or None
    return {"status": status, "device": device, "workers": len(devices)}, 200 if is_ready else 503


@blueprint.get("/live")
def live() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return {"live": True}


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """Database, queue and object store answer. A worker is counted, but not needed: pages work without one."""
    answers = cast(Readiness, current_app.extensions[READINESS]).answers()
    is_ready = all(answers.values())
    workers = len(_devices()) if answers["database"] else 0
    return {"ready": is_ready, "workers": workers, **answers}, 200 if is_ready else 503


def _devices() -> list[str]:
    """The device of each worker that lives; none where that cannot be asked."""
    try:
        return [worker.device for worker in services().workers.alive(within=ALIVE_SECONDS)]
    except DelineateError:
        return []
