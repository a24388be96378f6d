"""The overview: what is amiss, who works, why jobs wait, why images failed."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, render_template

from admin.domain import overview, queries
from admin.domain.progress import Fleet
from admin.web.context import meter, services
from admin.web.live import live_part, version_of
from shared.jobs.workers import ALIVE_SECONDS

blueprint = Blueprint("overview", __name__, url_prefix="/overview")


@blueprint.get("")
def index() -> str:
    """All of it."""
    return render_template("overview.html", **_view())


@blueprint.get("/live")
def live() -> Response:
    """The part of `index` that is polled: all of it."""
    view = _view()
    return live_part(view["version"], lambda: render_template("_overview.html", **view))


def _view() -> dict[str, Any]:
    database, workers = services().database, services().workers
    known = workers.alive(within=overview.MISSED_SECONDS)
    held, waiting, now = overview.held_by(database), overview.queue(database), queries.now(database)
    jobs = services().repository.jobs_of(overview.open_jobs(database))
    rows = [
        (meter().read(job, now), overview.why(job, waiting, workers, given_back=_given_back(job.id))) for job in jobs
    ]
    shown = [replace(worker, seen_at=0.0, age=worker.age if worker.age >= ALIVE_SECONDS else 0.0) for worker in known]
    view = {
        "alerts": overview.alerts(waiting, known, held, workers.quiet_for()),
        "workers": shown,
        "fleet": Fleet.of([worker for worker in known if worker.age < ALIVE_SECONDS]),
        "held": {name: each.images for name, each in held.items()},
        "queue": replace(waiting, oldest=None),
        "rows": [(replace(row, age=0.0), reason) for row, reason in rows],
        "causes": overview.causes(database),
        "alive_seconds": ALIVE_SECONDS,
    }
    return view | {"version": version_of(view)}


def _given_back(job_id: str) -> float | None:
    found = queries.released(services().database, job_id)
    return None if found is None else found.rest
