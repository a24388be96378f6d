"""Which events."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from admin.api.requests.base import MAX_PAGE_SIZE, UNUSABLE, Moment, Page
from shared.db.events import EventKind, EventSource


class EventsPage(Page):
    """Which page of events, and of which. A time without a zone is in UTC."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    job_id: UUID | None = None
    actor: Annotated[str, Field(max_length=128, pattern=rf"^[^{UNUSABLE}]*$")] | None = Field(
        default=None, description="The account, or `user@host` of a command line."
    )
    kind: EventKind | None = None
    source: EventSource | None = None
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Events before this time alone.")
