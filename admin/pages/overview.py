"""The overview: what is amiss, who works, why jobs wait, why images failed."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain import history, overview, queries
from admin.domain.progress import Fleet
from admin.domain.synthetic_runs import last_runs
from admin.web.context import meter, services
from admin.web.live import live_part, version_of
from shared.jobs.workers import ALIVE_SECONDS

_RUNS_SHOWN, _RUNS_LOOKED_AT = 3, 9  # some have no result yet
_SPANS = ((3600.0, "The last hour"), (86400.0, "The last day"))

blueprint = Blueprint("overview", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """All of it; a filter of jobs, whose list once stood here, leads to the list."""
    if request.args:
        return redirect(f"{url_for('jobs.index')}?{request.query_string.decode('ascii', 'replace')}")
    return render_template("overview.html", **_view(), **_past())


@blueprint.get("/overview/live")
def live() -> Response:
    """The part of `index` that is polled: all of it."""
    view = _view()
    return live_part(view["version"], lambda: render_template("_overview.html", **view))


@blueprint.get("/overview/history")
def past() -> Response:
    """The part of `index` that tells of the last hour and day, and of the last synthetic jobs; polled seldom."""
    view = _past()
    return live_part(view["past"]["version"], lambda: render_template("_history.html", **view))


def _past() -> dict[str, Any]:
    database, repository = services().database, services().repository
    now = queries.now(database)
    spans = [
        history.span(repository.jobs_of(history.lately(database, seconds)), now, seconds, words)
        for seconds, words in _SPANS
    ]
    runs = last_runs(database, repository, limit=_RUNS_LOOKED_AT)
    scored = [(run.job.id, run.job.name, run.scores) for run in runs if run.scores][:_RUNS_SHOWN]
    shown = {"spans": spans, "scored": scored}
    return {"past": shown | {"version": version_of(shown)}}


def _view() -> dict[str, Any]:
    database, workers = services().database, services().workers
    known = workers.alive(within=overview.MISSED_SECONDS)
    held, waiting, now = overview.held_by(database), overview.queue(database), queries.now(database)
    quiet, jobs = workers.quiet_for(), services().repository.jobs_of(overview.open_jobs(database))
    given_back = {job_id: each.rest for job_id, each in queries.released(database, [job.id for job in jobs]).items()}
    rows = [
        (meter().read(job, now), overview.why(job, waiting, quiet, given_back=given_back.get(job.id))) for job in jobs
    ]
    shown = [replace(worker, seen_at=0.0, age=worker.age if worker.age >= ALIVE_SECONDS else 0.0) for worker in known]
    view = {
        "alerts": overview.alerts(waiting, known, held, quiet),
        "workers": shown,
        "fleet": Fleet.of([worker for worker in known if worker.age < ALIVE_SECONDS]),
        "held": {name: each.images for name, each in held.items()},
        "queue": replace(waiting, oldest=None),
        "rows": [(replace(row, age=0.0), reason) for row, reason in rows],
        "causes": overview.causes(database),
        "alive_seconds": ALIVE_SECONDS,
    }
    return view | {"version": version_of(view)}
