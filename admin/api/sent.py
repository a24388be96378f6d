"""The files of a form, and the job that is made of them."""

from collections.abc import Sequence

from flask import request
from werkzeug.datastructures import FileStorage

from admin.api.operations import InvalidRequest
from admin.api.requests.images import Segmentation
from admin.api.requests.jobs import Changes
from admin.web.context import services, submitter
from admin.web.delivery import uploads
from admin.web.once import Make
from shared.errors import UsageError
from shared.flows.pages import FIRST_PAGE, PageChoice
from shared.flows.submission import submit_images
from shared.jobs.clones import CloneChanges
from shared.jobs.records import Priority


def sent_files(part: str, *, most: int) -> list[FileStorage]:
    """Return the files of a form, each sent as a part of this name.

    Raises:
        InvalidRequest: there is none, there are more than `most`, or there are others.
    """
    files = [file for file in request.files.getlist(part) if file.filename]
    if set(request.files) - {part} or not 1 <= len(files) <= most:
        wanted = "one file," if most == 1 else f"1 to {most} files, each"
        raise InvalidRequest.of(part, f"send {wanted} as a part named {part}")
    return files


def sha256_of(model: str | None) -> str | None:
    """Return the SHA-256 of the model of this name or these digits; None where none is asked for.

    Raises:
        InvalidRequest: there is none, or there are several.
    """
    try:
        return None if model is None else services().repository.model_for(model)
    except UsageError as error:
        raise InvalidRequest.of("model", str(error)) from error


def changes_of(body: Changes) -> CloneChanges:
    """Return what a body says that a clone has of its own.

    Raises:
        InvalidRequest: there is no such model, or there are several.
    """
    said, changes = body.model_fields_set, CloneChanges()
    if "model" in said:
        changes["model"] = sha256_of(body.model)
    if "threshold" in said:
        changes["threshold"] = body.threshold
    if "scale" in said:
        changes["scale"] = body.factor
    return changes


def job_of_files(
    files: Sequence[FileStorage],
    how: Segmentation,
    *,
    name: str,
    priority: Priority,
    pages: PageChoice = FIRST_PAGE,
) -> Make:
    """Return what makes a job of files, to be segmented as is asked for.

    Raises:
        Refused: all of them are too large.
        InvalidRequest: there is no such model.
    """
    model = sha256_of(how.model)
    max_bytes = services().settings.max_source_bytes
    uploads.refuse_if_all_are_too_large(files, max_bytes=max_bytes)
    return lambda tell: submit_images(
        services(),
        uploads.sources(files, max_bytes=max_bytes, pages=pages),
        name=name,
        submitted_by=submitter(),
        priority=priority,
        scale=how.factor,
        unfamiliar=how.unfamiliar,
        channel=how.channel,
        pixel_size=how.size_of_pixels,
        postprocessing=how.postprocessing,
        model=model,
        threshold=how.threshold,
        on_start=lambda job_id, _resumed: tell(job_id),
    )
