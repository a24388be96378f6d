"""What people say of results: grades, notes and corrected masks."""

from uuid import UUID

from flask import abort

from admin.api import requests, schemas
from admin.api.operations import operation
from admin.web.context import account_name, reviews, services
from shared.jobs.grades import StepKind
from shared.jobs.records import Item

_NO_ITEM = {404: "The job has no such image."}
_NO_RESULT = _NO_ITEM | {409: "The image has no result (yet)."}


@operation("GET", "/jobs/<uuid:job_id>/items/<uuid:item_id>/grade", answer=schemas.Review, problems=_NO_ITEM)
def grade(job_id: UUID, item_id: UUID) -> schemas.Review:
    """Look at what was said of a result, and by whom."""
    return _review(job_id, item_id)


@operation(
    "PUT",
    "/jobs/<uuid:job_id>/items/<uuid:item_id>/grade",
    answer=schemas.Review,
    body=requests.Grading,
    problems=_NO_RESULT,
    for_reviewers=True,
)
def put_grade(job_id: UUID, item_id: UUID, body: requests.Grading) -> schemas.Review:
    """Grade a result.

    The last grade wins; one of somebody else that it replaces stands in `replaced`, and all of them in `history`.
    """
    _item(job_id, item_id)
    reviews().grade(str(job_id), str(item_id), body.grade, note=body.note, by=account_name())
    return _review(job_id, item_id, after=StepKind.GRADE)


def _item(job_id: UUID, item_id: UUID) -> Item:
    item = services().repository.item(str(item_id))
    if item is None or item.job_id != str(job_id):
        abort(404)
    return item


def _review(job_id: UUID, item_id: UUID, *, after: StepKind | None = None) -> schemas.Review:
    item = _item(job_id, item_id)
    return schemas.Review.of(item.id, item.review, reviews().history(item.id), after=after)
