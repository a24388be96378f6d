"""The page of events: who did what, over all jobs."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from admin.domain import queries
from admin.domain.event_query import event_query
from admin.web.context import services
from shared.db.events import EventKind, EventSource, events

EVENTS_A_PAGE = 50

blueprint = Blueprint("events", __name__, url_prefix="/events")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """What was done, the latest first."""
    database = services().database
    now = queries.now(database)
    query = event_query(request.args.to_dict(), now=now)
    found = [] if query.problems else events(database, query.filter, limit=EVENTS_A_PAGE + 1, before=query.before)
    page = render_template(
        "events.html",
        query=query,
        events=found[:EVENTS_A_PAGE],
        older=found[EVENTS_A_PAGE - 1].id if len(found) > EVENTS_A_PAGE else None,
        now=now,
        kinds=list(EventKind),
        sources=list(EventSource),
    )
    return page, 400 if query.problems else 200
