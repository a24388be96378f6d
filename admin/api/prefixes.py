"""Images that stay in their own bucket: items refer to them, and a job gets them a page of the listing at a time."""

from uuid import UUID

from admin.api.operations import InvalidRequest, operation
from admin.api.requests.submissions import Objects
from admin.api.schemas.submissions import AddedObjects
from admin.api.submissions import CLOSED
from admin.web.context import services
from admin.web.delivery.filling import require_filled
from shared.errors import UsageError
from shared.flows.prefixes import add_listed, wanted_of

_BEYOND = {409: "The job takes no more images, or SOURCE_BUCKETS does not allow the address."}


@operation("POST", "/jobs/<uuid:job_id>/objects", answer=AddedObjects, body=Objects, problems=CLOSED | _BEYOND)
def add_objects(job_id: UUID, body: Objects) -> AddedObjects:
    """Add up to 1,000 images of a bucket to a job that is not sealed, without copying them.

    Send it again with `next` as `after` until that is null, then seal the job. Workers read each object when its turn
    comes; one that was changed by then fails with `source_changed`. Safe to send again: what the job has is left out,
    what has changed takes its old place.
    """
    require_filled(str(job_id))
    try:
        wanted = wanted_of(body.address, recursive=body.recursive, exclude=tuple(body.exclude))
    except UsageError as error:
        raise InvalidRequest.of("address", str(error)) from error
    done = add_listed(services(), str(job_id), wanted, body.after)
    return AddedObjects(
        added=done.added,
        known=done.known,
        replaced=done.replaced,
        failed=done.failed,
        left_out=dict(done.left_out),
        hidden=done.hidden,
        excluded=done.excluded,
        folders=done.folders,
        next=done.following,
    )
