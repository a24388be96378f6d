"""Jobs: list, look, submit, cancel, retry, take the results home."""

from collections.abc import Callable, Sequence
from uuid import UUID

from flask import Response, g, url_for
from flask.typing import ResponseReturnValue

from admin.api.conditional import PARTS, json_answer
from admin.api.once import replayed, submitted
from admin.api.operations import InvalidRequest, operation
from admin.api.requests.images import NewJob
from admin.api.requests.items import ItemsPage
from admin.api.requests.jobs import Clone, JobsPage, ResultsFormat, Retry, Synthetic, Upload
from admin.api.schemas.account import Me
from admin.api.schemas.base import time_or_none
from admin.api.schemas.items import Item, Items
from admin.api.schemas.jobs import Job, Jobs, Scores, Summary
from admin.api.sent import changes_of, job_of_files, sent_files, sha256_of
from admin.api.waiting import preferred_wait, wait_for_end, waited
from admin.domain import queries
from admin.web.context import meter, role, services, submitter
from admin.web.delivery.download import results_zip
from admin.web.delivery.files import files_of
from admin.web.delivery.limits import MAX_FILES
from shared.db.events import Actor
from shared.errors import UsageError
from shared.flows.cloning import clone
from shared.flows.exports.registry import export_named
from shared.flows.pages import pages_of_text
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.item_search import ItemSearch
from shared.jobs.records import Job as JobRecord

_NO_JOB = {404: "There is no such job."}
_CONFLICT = _NO_JOB | {409: "The job's state does not allow it."}
_FILES = "images"


@operation("GET", "/me", answer=Me)
def me() -> Me:
    """Tell whose token this is, and what it may do."""
    token = g.token
    return Me(account=token.user_name, role=role(), token=token.name, expires_at=time_or_none(token.expires_at))


@operation("GET", "/jobs", answer=Jobs, query=JobsPage)
def jobs(query: JobsPage) -> Jobs:
    """List the jobs, the newest first.

    Pages are cut by key: give `next` of one page as `before` of the following one.
    """
    repository = services().repository
    if query.id_ends is None:
        found = repository.jobs(limit=query.limit + 1, before=query.before_id)
    else:
        found = repository.jobs_of(repository.job_ids_ending(query.id_ends, limit=query.limit))
    page, following = query.cut(found)
    return Jobs(jobs=_responses(page), next=following)


@operation("GET", "/jobs/<uuid:job_id>", answer=Job, problems=_NO_JOB, waits=True)
def job(job_id: UUID) -> Response:
    """Look at a job; with `Prefer: wait=N` once it has ended."""
    seconds = preferred_wait()
    if seconds:
        wait_for_end(str(job_id), seconds)
    return waited(json_answer(job_as_given(str(job_id)).model_dump_json()), seconds)


@operation("GET", "/jobs/<uuid:job_id>/items", answer=Items, query=ItemsPage, problems=_NO_JOB)
def job_items(job_id: UUID, query: ItemsPage) -> Items:
    """List the images of a job, all or those that are asked for, by number or in another order.

    Pages are cut by key: give `next` of one page as `after` of the following one.
    """
    kind = services().repository.kind(str(job_id))
    search = ItemSearch(services().database, str(job_id), query.filter, query.order)
    found = search.page(limit=query.limit, after=query.place(query.after))
    return Items(
        items=[Item.of(item, list(files_of(item, kind))) for item in found.items],
        next=None if found.next is None else found.next.word(query.order),
    )


@operation("GET", "/jobs/<uuid:job_id>/summary", answer=Summary, problems=_NO_JOB)
def job_summary(job_id: UUID) -> Summary:
    """Tell what stands out in a job: failures by code, results by mark, notes by kind, scores against truths."""
    repository = services().repository
    job = repository.job(str(job_id))
    marks = repository.marks(job.id)
    sums = repository.score_sums(job.id)
    return Summary(
        failures={found.code: found.count for found in queries.failure_reasons(services().database, job)},
        nothing_found=marks.nothing_found,
        unfamiliar=marks.unfamiliar,
        reasons=dict(marks.reasons),
        noted=marks.noted,
        notes=dict(repository.notes(job.id)) if marks.noted else {},
        scores=Scores.of(sums) if sums else None,
    )


@operation(
    "GET",
    "/jobs/<uuid:job_id>/results.zip",
    media=("application/zip",),
    query=ResultsFormat,
    problems=_NO_JOB | PARTS,
)
def job_results(job_id: UUID, query: ResultsFormat) -> Response:
    """Take home a job's results in one of the formats, or those of the wanted images alone, as far as they are there.

    Of a job that has ended a download that was cut goes on with `Range` and `If-Range`. The zip is made while it is
    sent, so that its length is told where it is short, or was made to its end before.
    """
    return results_zip(services(), services().repository.job(str(job_id)), export_named(query.format), query)


@operation("POST", "/jobs/synthetic", answer=Job, status=201, body=Synthetic, repeatable=True, waits=True)
def submit_generated(body: Synthetic) -> ResponseReturnValue:
    """Start a job of generated images."""
    try:
        spec = SyntheticSpec(**body.model_dump(exclude={*NewJob.model_fields, "name"}))
    except UsageError as error:
        raise InvalidRequest.of("", str(error)) from error
    model = sha256_of(body.model)

    def make(_tell: Callable[[str], None]) -> str:
        return submit_synthetic(
            services(),
            spec,
            name=body.name,
            submitted_by=submitter(),
            priority=body.priority,
            model=model,
            threshold=body.threshold,
        )

    return _started(*submitted("synthetic", make))


@operation(
    "POST",
    "/jobs/images",
    answer=Job,
    status=201,
    body=Upload,
    files=_FILES,
    repeatable=True,
    waits=True,
)
def submit_uploaded(body: Upload) -> ResponseReturnValue:
    """Start a job of uploaded images, each a part `images` of the form.

    At most 500 files in a request. An image that cannot be used becomes a failed item; its name never becomes a path.
    """
    make = job_of_files(
        sent_files(_FILES, most=MAX_FILES),
        body,
        name=body.name,
        priority=body.priority,
        pages=pages_of_text(body.pages),
    )
    return _started(*submitted("images", make))


@operation("POST", "/jobs/<uuid:job_id>/cancel", answer=Job, problems=_CONFLICT)
def cancel_job(job_id: UUID) -> Job:
    """Cancel a job; what has succeeded stays."""
    return _responses([services().repository.cancel(str(job_id), by=_actor())])[0]


@operation("POST", "/jobs/<uuid:job_id>/retry", answer=Job, query=Retry, problems=_CONFLICT)
def retry_job(job_id: UUID, query: Retry) -> Job:
    """Try again what failed or was cancelled, or what failed with some codes alone; the job may still run."""
    return _responses([services().repository.retry(str(job_id), codes=query.codes, by=_actor())])[0]


@operation(
    "POST",
    "/jobs/<uuid:job_id>/clone",
    answer=Job,
    status=201,
    body=Clone,
    problems=_NO_JOB | {409: "The job's inputs are not complete, are gone, or are too many."},
    repeatable=True,
    waits=True,
)
def clone_job(job_id: UUID, body: Clone) -> ResponseReturnValue:
    """Start a job over the inputs of another, with another model, threshold or scale.

    What the body does not name is as in that job. Inputs are not copied: they stay as long as a job reads them.
    """
    first = services().repository.job(str(job_id))

    def make(_tell: Callable[[str], None]) -> str:
        return clone(
            services(),
            first,
            changes_of(body),
            name=body.name or "",
            submitted_by=submitter(),
            priority=body.priority,
        )

    return _started(*submitted("clone", make))


def job_as_given(job_id: str) -> Job:
    """Return a job as the API gives it.

    Raises:
        JobNotFound: there is none.
    """
    return _responses([services().repository.job(job_id)])[0]


def _responses(jobs: Sequence[JobRecord]) -> list[Job]:
    now = queries.now(services().database)
    return [Job.of(meter().read(job, now)) for job in jobs]


def _started(job_id: str, is_new: bool) -> ResponseReturnValue:
    seconds = preferred_wait()
    if seconds:
        wait_for_end(job_id, seconds)
    answer = replayed(json_answer(job_as_given(job_id).model_dump_json(), 201), is_new)
    answer.headers["Location"] = url_for("api.job", job_id=job_id)
    return waited(answer, seconds)


def _actor() -> Actor:
    return Actor.of_text(submitter())
