"""Who did what, as the API gives it."""

from typing import Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of
from shared.db.events import Event as EventRecord
from shared.db.events import EventKind, EventSource


class Event(Response):
    """A change that somebody asked for."""

    id: str
    at: Time
    kind: str = Field(description=f"A word such as {', '.join(f'`{kind}`' for kind in EventKind)}.")
    actor: str = Field(description="The account, or `user@host` of a command line; empty: nobody asked for it.")
    source: EventSource
    job_id: str | None
    bulk_id: str | None = Field(description="The bulk action that it is a part of.")
    detail: str | None

    @classmethod
    def of(cls, event: EventRecord) -> Self:
        """Return an event as the API gives it."""
        names = cls.model_fields.keys() - {"at"}
        return cls(**{name: getattr(event, name) for name in names}, at=time_of(event.at))


class Events(Response):
    """A page of events, the latest first."""

    events: list[Event]
    next: str | None = Field(description="The `before` of the next page; null on the last.")
