"""What people say of results: grades, notes and corrected masks."""

from uuid import UUID

from flask import abort

from admin.api.operations import InvalidRequest, operation
from admin.api.requests.reviews import Correction, Grading
from admin.api.schemas.reviews import Review
from admin.api.sent import sent_files
from admin.web.context import account_name, reviews, services
from admin.web.delivery.corrections import CorrectionRefused, keep_correction, read_correction
from shared.jobs.grades import StepKind
from shared.jobs.records import Item

_MASK = "mask"
_NO_ITEM = {404: "The job has no such image."}
_NO_RESULT = _NO_ITEM | {409: "The image has no result (yet)."}


@operation("GET", "/jobs/<uuid:job_id>/items/<uuid:item_id>/grade", answer=Review, problems=_NO_ITEM)
def grade(job_id: UUID, item_id: UUID) -> Review:
    """Look at what was said of a result, and by whom."""
    return _review(job_id, item_id)


@operation(
    "PUT",
    "/jobs/<uuid:job_id>/items/<uuid:item_id>/grade",
    answer=Review,
    body=Grading,
    problems=_NO_RESULT,
    for_reviewers=True,
)
def put_grade(job_id: UUID, item_id: UUID, body: Grading) -> Review:
    """Grade a result.

    The last grade wins; one of somebody else that it replaces stands in `replaced`, and all of them in `history`.
    """
    _item(job_id, item_id)
    reviews().grade(str(job_id), str(item_id), body.grade, note=body.note, by=account_name())
    return _review(job_id, item_id, after=StepKind.GRADE)


@operation(
    "PUT",
    "/jobs/<uuid:job_id>/items/<uuid:item_id>/correction",
    answer=Review,
    body=Correction,
    files=_MASK,
    one_file=True,
    problems=_NO_RESULT,
    for_reviewers=True,
)
def put_correction(job_id: UUID, item_id: UUID, body: Correction) -> Review:
    """Keep a corrected mask beside the one that the model made.

    The part `mask` of the form is a picture of the image's size with two values, the higher of which is inside, or one:
    0 where nothing is inside, any other where all is.
    """
    del body
    item = _item(job_id, item_id)
    [file] = sent_files(_MASK, most=1)
    try:
        keep_correction(item, read_correction(item, file), by=account_name())
    except CorrectionRefused as error:
        raise InvalidRequest.of(_MASK, str(error)) from error
    return _review(job_id, item_id, after=StepKind.CORRECTION)


@operation(
    "DELETE",
    "/jobs/<uuid:job_id>/items/<uuid:item_id>/correction",
    answer=Review,
    problems=_NO_RESULT,
    for_reviewers=True,
)
def delete_correction(job_id: UUID, item_id: UUID) -> Review:
    """Take a corrected mask back; it stays in the store, and its step in the history."""
    item = _item(job_id, item_id)
    reviews().correct(item.job_id, item.id, None, by=account_name())
    return _review(job_id, item_id, after=StepKind.CORRECTION)


def _item(job_id: UUID, item_id: UUID) -> Item:
    item = services().repository.item(str(item_id))
    if item is None or item.job_id != str(job_id):
        abort(404)
    return item


def _review(job_id: UUID, item_id: UUID, *, after: StepKind | None = None) -> Review:
    item = _item(job_id, item_id)
    return Review.of(item.id, item.review, reviews().history(item.id), after=after)
