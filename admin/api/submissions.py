"""Jobs that are filled a few images at a time, and gone on with after an interruption; sealed once all are there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from flask import Response, request, url_for
from werkzeug.datastructures import FileStorage

from admin.api.conditional import json_answer
from admin.api.jobs import job_as_given
from admin.api.operations import InvalidRequest, operation
from admin.api.requests.submissions import (
    Batch,
    BatchDetails,
    FailedFile,
    NewSubmission,
    Paths,
    Submission,
    SubmissionKey,
)
from admin.api.schemas.jobs import Job
from admin.api.schemas.submissions import Added, Known, Submissions, Version
from admin.api.sent import sha256_of
from admin.web.context import services, submitter
from admin.web.delivery import uploads
from admin.web.delivery.filling import own_key, require_filled
from admin.web.delivery.limits import MAX_FILES
from admin.web.refusals import Refused
from shared.errors import ItemError, UsageError
from shared.flows.additions import NameTaken, add_images
from shared.flows.pages import pages_of_text
from shared.flows.sources import Source
from shared.flows.submission import begun, seal
from shared.jobs.state import JobKind

T = TypeVar("T")

_NO_JOB = {404: "There is no such job."}
CLOSED = _NO_JOB | {409: "The job takes no more images: its submission is complete, or was ended."}
_FILES = "images"
_MAX_OTHERS = 20  # submissions of other keys that are named
_BEGUN = {200: "The job of this key that was begun before."}


@operation("POST", "/jobs", answer=Job, status=201, body=NewSubmission, problems=_BEGUN)
def begin_submission(body: NewSubmission) -> Response:
    """Begin a job of images that come a few at a time, or go on with the one of this `key`.

    Add images (`/jobs/{job_id}/images`), then seal the job: it ends once they are segmented. With a `key` that the same
    account began a job with, and never sealed, the answer is that job, with the status 200.
    """
    repository, model = services().repository, sha256_of(body.model)
    key = own_key(body.key) if body.key is not None else None
    job_id, goes_on = begun(
        repository,
        key,
        lambda: repository.create_job(
            JobKind.IMAGES,
            name=body.name,
            submitted_by=submitter(),
            submission_key=key,
            priority=body.priority,
            scale=body.factor,
            unfamiliar=body.unfamiliar,
            channel=body.channel,
            pixel_size=body.size_of_pixels,
            postprocessing=str(body.postprocessing),
            model=model,
            threshold=body.threshold,
        ),
    )
    answer = json_answer(job_as_given(job_id).model_dump_json(), 200 if goes_on else 201)
    answer.headers["Location"] = url_for("api.job", job_id=job_id)
    return answer


@operation(
    "POST",
    "/jobs/<uuid:job_id>/images",
    answer=Added,
    body=Batch,
    files=_FILES,
    problems=CLOSED | {409: "The job takes no more images, or has another image of one of these names."},
)
def add_to_job(job_id: UUID, body: Batch) -> Added:
    """Add images to a job that is not sealed, each a part `images` of the form.

    Safe to send again: an image whose path and content the job has is left out. One of the same path and another
    content is refused, or with `replace` takes the place of the first.
    """
    require_filled(str(job_id))
    given = request.files.getlist(_FILES)
    details = body.details or BatchDetails()
    if set(request.files) - {_FILES} or len(given) > MAX_FILES or not (given or details.failed):
        reason = f"send 1 to {MAX_FILES} files, each as a part named {_FILES}"
        raise InvalidRequest.of(_FILES, reason)
    files = _paths(given, details.paths)
    if len({*files, *(failed.path for failed in details.failed)}) < len(files) + len(details.failed):
        raise InvalidRequest.of(_FILES, "two images have the same path")
    named = [(failed.path, _failing(failed)) for failed in details.failed]
    for path, file in zip(files, given, strict=True):
        max_bytes = services().settings.max_source_bytes
        named += [(path, source) for source in uploads.sources_of(file, path, max_bytes, pages_of_text(body.pages))]
    # What is said of a file is said of its pages.
    file_of = {source.path: path for path, source in named}
    replaceable = set(details.replace)
    try:
        done = add_images(
            services(),
            str(job_id),
            [replace(source, described=_said_of(source.path, path, details.described)) for path, source in named],
            replaces=lambda path: body.replace or path in replaceable or file_of[path] in replaceable,
            modified={
                source.path: said
                for path, source in named
                if (said := _said_of(source.path, path, details.modified)) is not None
            },
        )
    except NameTaken as error:
        advice = f"{str(error)[:1].upper()}{str(error)[1:]}. Give them other names, or send `replace=true`."
        raise Refused(409, advice) from error
    return Added(added=done.added, known=done.known, replaced=done.replaced, failed=done.failed)


@operation("POST", "/jobs/<uuid:job_id>/known", answer=Known, body=Paths, problems=_NO_JOB)
def known_images(job_id: UUID, body: Paths) -> Known:
    """Tell which of these paths the job has, so that nothing is sent twice."""
    services().repository.kind(str(job_id))
    found = services().repository.known_files(str(job_id), body.paths)
    return Known(
        files={
            path: None if version is None else Version(size=version.size, modified=version.modified)
            for path, version in found.items()
        }
    )


@operation("POST", "/jobs/<uuid:job_id>/seal", answer=Job, problems=_NO_JOB)
def seal_job(job_id: UUID) -> Job:
    """Say that all images are there: the job ends once they are segmented. Once more it changes nothing."""
    services().repository.kind(str(job_id))
    seal(services(), str(job_id))
    return job_as_given(str(job_id))


@operation("DELETE", "/jobs/<uuid:job_id>", status=204, media=(), problems=CLOSED)
def discard_job(job_id: UUID) -> Response:
    """Take back a job to which no image was added."""
    if services().repository.job(str(job_id)).counts.total:
        raise UsageError("the job has images: cancel it instead")
    services().repository.discard_empty(str(job_id))
    return Response(status=204)


@operation("POST", "/submissions/find", answer=Submissions, body=SubmissionKey)
def find_submissions(body: SubmissionKey) -> Submissions:
    """Find the jobs of a submission that was interrupted: while it uploaded, or while its sender waited."""
    repository, key = services().repository, own_key(body.key)
    return Submissions(
        unsealed=repository.unsealed_job(key),
        awaited=repository.awaited_job(key, within=body.within, model=sha256_of(body.model)),
        others=repository.unsealed_jobs(limit=_MAX_OTHERS),
    )


@operation("POST", "/jobs/<uuid:job_id>/submission", status=204, media=(), body=Submission, problems=CLOSED)
def change_submission(job_id: UUID, body: Submission) -> Response:
    """Let a submission be found by another key, or note that its sender waits for the job's end, or has seen it."""
    repository = services().repository
    repository.kind(str(job_id))
    if body.key is not None:
        require_filled(str(job_id))
        repository.adopt(str(job_id), own_key(body.key))
    if body.awaited is not None:
        repository.await_end(str(job_id), waits=body.awaited)
    repository.keep_alive(str(job_id))
    return Response(status=204)


def _paths(files: Sequence[FileStorage], given: Sequence[str] | None) -> list[str]:
    if given is None:
        return [uploads.relative_path(file.filename or "") for file in files]
    if len(given) != len(files):
        reason = f"{len(given)} paths of {len(files)} files"
        raise InvalidRequest.of("details.paths", reason)
    return list(given)


def _said_of(page: str, file: str, said: Mapping[str, T]) -> T | None:
    return said.get(page, said.get(file))


def _failing(failed: FailedFile) -> Source:
    """What its sender could not read, as a source that fails with its reason."""

    def read() -> bytes:
        raise ItemError(failed.code, failed.error)

    return Source(failed.path, read)
