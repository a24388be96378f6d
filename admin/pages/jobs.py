"""The pages of jobs: the list, one job, and what can be done with it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain import overview, queries
from admin.domain.job_query import STATE_GROUPS, filter_words, job_query
from admin.domain.progress import Fleet, Progress, at_rest
from admin.domain.saved_views import ViewOf, saved_views
from admin.pages.item_lists import COLUMNS, asked, choices
from admin.pages.item_lists import distributions as distributions_of
from admin.web.context import meter, services, who
from admin.web.delivery.download import results_zip
from admin.web.delivery.filling import is_filled
from admin.web.live import live_part, version_of
from shared.db.events import Actor, EventFilter, EventSource, events
from shared.db.model_registry import ModelRegistry
from shared.errors import IllegalTransition, ItemErrorCode, UsageError
from shared.flows.exports.registry import DEFAULT, EXPORTS, export_named
from shared.flows.item_words import ItemWords, wanted_words
from shared.images.notes import told
from shared.jobs.bulk_actions import BulkKind
from shared.jobs.filters import JobSort
from shared.jobs.item_filter import ItemFilter
from shared.jobs.item_search import Count, ItemSearch, Place
from shared.jobs.listing import count_jobs
from shared.jobs.records import Job
from shared.jobs.state import ItemStatus, JobKind, JobStatus
from shared.jobs.workers import ALIVE_SECONDS, SHOWN_SECONDS, Worker

_EVENTS_SHOWN = 10

blueprint = Blueprint("jobs", __name__)


@blueprint.get("/jobs")
def index() -> ResponseReturnValue:
    """All jobs, the newest first, and the workers."""
    view = _jobs_view()
    query = view["query"]
    count, more = (0, False) if query.problems else count_jobs(services().database, query.filter)
    page = render_template(
        "jobs.html",
        count=f"{count:,}{'+' if more else ''}",
        words=filter_words(query.typed),
        states=[*STATE_GROUPS, *JobStatus],
        kinds=list(JobKind),
        causes=list(ItemErrorCode),
        sorts=list(JobSort),
        bulk_kinds=list(BulkKind),
        models=ModelRegistry(services().database, services().store).models(),
        views=saved_views(services().database, who(), ViewOf.JOBS),
        **view,
    )
    return page, 400 if query.problems else 200


@blueprint.get("/jobs/live")
def live() -> ResponseReturnValue:
    """The part of `index` that is polled."""
    view = _jobs_view()
    answer = live_part(view["version"], lambda: render_template("_jobs_live.html", **view))
    if view["query"].problems:
        answer.status_code = 400
    return answer


@blueprint.get("/jobs/<uuid:job_id>")
def job(job_id: UUID) -> ResponseReturnValue:
    """One job with its items."""
    view = _job_view(job_id)
    database, shown = services().database, view["progress"].job
    return render_template(
        "job.html",
        events=events(database, EventFilter(job_id=shown.id), limit=_EVENTS_SHOWN + 1),
        events_shown=_EVENTS_SHOWN,
        now=queries.now(database),
        choices=choices(),
        count=_count(shown),
        views=saved_views(database, who(), ViewOf.ITEMS),
        **_details(view),
        **_items_view(job_id),
    )


@blueprint.get("/jobs/<uuid:job_id>/distributions")
def distributions(job_id: UUID) -> ResponseReturnValue:
    """How what was measured is spread over a job, for the ranges of its filter."""
    found = services().repository.job(str(job_id))
    search = ItemSearch(services().database, found.id)
    return render_template("_distributions.html", distributions=distributions_of(search, found))


def _count(found: Job) -> Count | None:
    """How many images the filter lets through, as far as they are counted; None without one."""
    wanted = asked()[0].filter
    if not wanted:
        return None
    if wanted == ItemFilter(states=wanted.states):  # the job has them counted
        return Count(sum(getattr(found.counts, state) for state in wanted.states))
    return ItemSearch(services().database, found.id, wanted).count()


@blueprint.get("/jobs/<uuid:job_id>/progress")
def progress(job_id: UUID) -> ResponseReturnValue:
    """The part of `job` that is polled: all of it but the items."""
    view = _job_view(job_id)
    words, address = asked()
    return live_part(
        view["version"],
        lambda: render_template("_job_live.html", **_details(view), wanted=words, words=address),
    )


@blueprint.get("/jobs/<uuid:job_id>/items")
def items(job_id: UUID) -> ResponseReturnValue:
    """The items of `job`, polled too."""
    seen, view = _progress_of(job_id), _items_view(job_id)
    version = version_of(seen.is_open, view["page"], view["words"], view["after"])
    return live_part(version, lambda: render_template("_items.html", progress=seen, **view))


@blueprint.post("/jobs/<uuid:job_id>/cancel")
def cancel(job_id: UUID) -> ResponseReturnValue:
    """Cancel the job."""
    return _transition(job_id, services().repository.cancel, "Cancelled: what had not been started is left out.")


@blueprint.post("/jobs/<uuid:job_id>/retry")
def retry(job_id: UUID) -> ResponseReturnValue:
    """Try again what failed or was cancelled, or what failed with the codes that the form names alone."""
    codes = request.form.getlist("code")
    if unknown := [code for code in codes if code not in set(ItemErrorCode)]:
        flash(f"There is no code {unknown[0][:40]!r}: choose one of those on this page.", "error")
        return redirect(url_for("jobs.job", job_id=job_id))
    what = f"failed with {', '.join(codes)}" if codes else "failed or was cancelled"
    return _transition(job_id, partial(services().repository.retry, codes=codes), f"What had {what} is tried again.")


@blueprint.get("/jobs/<uuid:job_id>/results.zip")
def results(job_id: UUID) -> ResponseReturnValue:
    """The job's results in one of the formats, as far as they are there.

    Those that are ticked (`only`), else those that the page shows, or `all`.
    """
    export = export_named(request.args.get("format", DEFAULT.name))
    ticked = {"number": ",".join(only)} if (only := request.args.getlist("only")) else {}
    wanted = wanted_words(({} if "all" in request.args else request.args.to_dict()) | ticked)
    return results_zip(services(), services().repository.job(str(job_id)), export, wanted)


def _transition(job_id: UUID, step: Callable[..., Job], done: str) -> ResponseReturnValue:
    try:
        step(str(job_id), by=Actor(who(), EventSource.PAGE))
    except (IllegalTransition, UsageError) as error:
        flash(str(error), "error")
    else:
        flash(done)
    return redirect(url_for("jobs.job", job_id=job_id))


def _jobs_view() -> dict[str, Any]:
    now = queries.now(services().database)
    query = job_query(request.args.to_dict(), me=who(), now=now)
    page = (
        queries.JobsPage([], older=None, newer=None)
        if query.problems
        else queries.jobs_page(services().repository, query.before, query.filter, query.sort)
    )
    rows = [meter().read(job, now) for job in page.jobs]
    workers = services().workers.alive(within=SHOWN_SECONDS)
    return {
        "version": version_of(
            (page.older, page.newer),
            [at_rest(row) for row in rows],
            [_seen(worker) for worker in workers],
            (query.typed, query.problems),
        ),
        "page": page,
        "rows": rows,
        "query": query,
        "workers": workers,
        "fleet": Fleet.of(workers),
        # New jobs may come at any time on the first page; older pages only change while something runs.
        "poll_seconds": 1 if any(row.is_open for row in rows) else 5 if query.before is None else None,
    }


def _seen(worker: Worker) -> Worker:
    """A worker as it is shown: when exactly it was last heard of is not, as long as it lives."""
    return replace(worker, seen_at=0.0, age=0.0 if worker.age < ALIVE_SECONDS else worker.age)


def _job_view(job_id: UUID) -> dict[str, Any]:
    seen = _progress_of(job_id)
    released, marks = _released(seen), services().repository.marks(seen.job.id)
    reason = _why(seen) if seen.is_open and released is None else None
    return {
        "version": version_of(at_rest(seen), released, reason, marks, asked()[1], is_filled(seen.job)),
        "progress": seen,
        "takes_files": is_filled(seen.job),
        "released": released,
        "reason": reason,
        "marks": marks,
    }


def _details(view: dict[str, Any]) -> dict[str, Any]:
    """What a job's page has beyond its counts, which is not read for a poll without news."""
    shown, marks = view["progress"].job, view["marks"]
    shows_failures = shown.counts.failed and asked()[0].state in ((), (ItemStatus.FAILED,))
    return view | {
        "reasons": queries.failure_reasons(services().database, shown) if shows_failures else [],
        "notes": told(services().repository.notes(shown.id)) if marks.noted else "",
        "exports": EXPORTS.values(),
    }


def _progress_of(job_id: UUID) -> Progress:
    found = services().repository.job(str(job_id))
    return meter().read(found, queries.now(services().database))


def _why(progress: Progress) -> str:
    return overview.why(progress.job, overview.queue(services().database), services().workers.quiet_for())


def _released(progress: Progress) -> queries.Released | None:
    if not progress.is_open or not progress.job.counts.pending:
        return None
    return queries.released(services().database, [progress.job.id]).get(progress.job.id)


def _items_view(job_id: UUID) -> dict[str, Any]:
    """The page of items that the address asks for."""
    words, address = asked()
    after = request.args.get("after", "")
    search = ItemSearch(services().database, str(job_id), words.filter, words.order)
    page = queries.items_page(search, words.place(after))
    return {
        "page": page,
        "wanted": words,
        "words": address,
        "after": after,
        "place_word": _place_word(words),
        "columns": COLUMNS,
    }


def _place_word(words: ItemWords) -> Callable[[Place | Literal["start"]], str | None]:
    return lambda place: None if place == "start" else place.word(words.order)
