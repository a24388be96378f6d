"""Who did what, over all jobs."""

from admin.api import requests, schemas
from admin.api.operations import operation
from admin.web.context import services
from shared.db.events import EventFilter, events


@operation("GET", "/events", answer=schemas.Events, query=requests.EventsPage)
def list_events(query: requests.EventsPage) -> schemas.Events:
    """List who did what from a page, the API or a command line, the latest first.

    An event outlives its job. Pages are cut by key: give `next` of one page as `before` of the following one.
    """
    wanted = EventFilter(
        job_id=str(query.job_id) if query.job_id else None,
        actor=query.actor,
        kind=query.kind,
        source=query.source,
        since=query.since.timestamp() if query.since else None,
        until=query.until.timestamp() if query.until else None,
    )
    before = str(query.before) if query.before else None
    found = events(services().database, wanted, limit=query.limit + 1, before=before)
    page = found[: query.limit]
    more = len(found) > query.limit
    return schemas.Events(events=[schemas.Event.of(event) for event in page], next=page[-1].id if more else None)
