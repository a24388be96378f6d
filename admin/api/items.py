"""One image of a job, and its files."""

from uuid import UUID

from flask import abort
from flask.typing import ResponseReturnValue

from admin.api.conditional import PARTS
from admin.api.operations import operation
from admin.api.requests.items import ObjectsPage
from admin.api.schemas.items import Item, MeasuredObject, Objects
from admin.web.context import services
from admin.web.delivery.files import files_of, send
from admin.web.measured_objects import measured_objects
from shared.errors import ObjectMissing
from shared.jobs.records import Item as ItemRecord
from shared.jobs.state import JobKind

_NO_ITEM = {404: "There is no such image, or it has no such file (yet)."}
_LINK = {302: "A link to the file in the object store, which holds for some minutes; where S3_PUBLIC_URL is set."}


@operation("GET", "/items/<uuid:item_id>", answer=Item, problems=_NO_ITEM)
def item(item_id: UUID) -> Item:
    """Look at one image of a job."""
    found, kind = _item(item_id)
    return Item.of(found, list(files_of(found, kind)))


@operation(
    "GET",
    "/items/<uuid:item_id>/files/<any(source, mask, probability, truth, correction):file>",
    media=("image/png", "application/octet-stream"),
    problems=_NO_ITEM | _LINK | PARTS,
)
def item_file(item_id: UUID, file: str) -> ResponseReturnValue:
    """Take home a file of an image: `source`, `mask`, `probability`, `truth` or `correction`.

    Uploaded sources come as bytes without a type; all others are PNG. A download that was cut goes on with `Range` and
    `If-Range`.
    """
    found, kind = _item(item_id)
    stored = files_of(found, kind).get(file)
    if stored is None:
        abort(404)
    try:
        return send(services(), found, file, *stored)
    except ObjectMissing:
        abort(404)


@operation(
    "GET",
    "/items/<uuid:item_id>/objects",
    answer=Objects,
    query=ObjectsPage,
    problems=_NO_ITEM | {409: "The mask is too large for a table: take the export `objects-csv`."},
)
def item_objects(item_id: UUID, query: ObjectsPage) -> Objects:
    """Look at the objects of an image's mask and what is measured of each, in the order of their numbers."""
    found, _ = _item(item_id)
    measured = measured_objects(found)
    page = measured[query.after : query.after + query.limit]
    return Objects(total=len(measured), objects=[MeasuredObject(**row) for row in page])


def _item(item_id: UUID) -> tuple[ItemRecord, JobKind]:
    found = services().repository.item(str(item_id))
    if found is None:
        abort(404)
    return found, services().repository.kind(found.job_id)
