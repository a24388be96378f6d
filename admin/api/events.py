"""Who did what, over all jobs."""

from admin.api.operations import operation
from admin.api.requests.events import EventsPage
from admin.api.schemas.events import Event, Events
from admin.web.context import services
from shared.db.events import EventFilter, events


@operation("GET", "/events", answer=Events, query=EventsPage)
def list_events(query: EventsPage) -> Events:
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
    page, following = query.cut(events(services().database, wanted, limit=query.limit + 1, before=query.before_id))
    return Events(events=[Event.of(event) for event in page], next=following)
