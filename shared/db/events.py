"""Who did what: a row for each change that somebody asked for, from a page, the API or a command line.

A row is written in the transaction of the change itself, so that there is none without the other. Rows stay when their
job is removed: they are its only trace then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from shared.db.database import Database, db_now
from shared.db.tables.actions import EventRow
from shared.db.tables.base import new_id

_MAX_WHO, _MAX_DETAIL = 128, 500  # characters


class EventSource(StrEnum):
    """Where a change was asked for."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"
    SYSTEM = "system"  # nobody asked: a rule, or what goes on by itself


class EventKind(StrEnum):
    """What was done."""

    SUBMITTED = "submitted"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    DELETED = "deleted"
    PRIORITY_CHANGED = "priority_changed"
    BULK_BEGUN = "bulk_begun"
    BULK_ABORTED = "bulk_aborted"
    MODEL_ACTIVATED = "model_activated"
    MODEL_ROLLED_BACK = "model_rolled_back"

    @property
    def label(self) -> str:
        """Words for people."""
        return self.value.replace("_", " ")


_SUFFIXES = {" (web)": EventSource.PAGE, " (API)": EventSource.API}


@dataclass(frozen=True)
class Actor:
    """Who asks for a change, and from where."""

    name: str
    source: EventSource

    @classmethod
    def of_text(cls, text: str) -> "Actor":
        """Return who a text such as `ana (web)`, `ana (API)` or `user@host` names."""
        for suffix, source in _SUFFIXES.items():
            if text.endswith(suffix):
                return cls(text.removesuffix(suffix), source)
        return cls(text, EventSource.COMMAND if "@" in text else EventSource.PAGE)

    @property
    def text(self) -> str:
        """What `of_text` reads."""
        return self.name + next((suffix for suffix, source in _SUFFIXES.items() if source is self.source), "")

    @property
    def owner(self) -> str:
        """The name that this actor's jobs belong to: of somebody at a command line, the user without the host."""
        return self.name.partition("@")[0] if self.source is EventSource.COMMAND else self.name


SYSTEM = Actor("", EventSource.SYSTEM)
"""Nobody in particular."""


@dataclass(frozen=True)
class Event:
    """One change; `at` is in Unix seconds."""

    id: str
    at: float
    kind: str
    actor: str
    source: str
    job_id: str | None
    bulk_id: str | None
    detail: str | None


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; None stands for all."""

    job_id: str | None = None
    actor: str | None = None
    kind: EventKind | None = None
    source: EventSource | None = None
    since: float | None = None  # Unix seconds
    until: float | None = None


_COLUMNS = [getattr(EventRow, field.name) for field in fields(Event)]


def record(
    connection: Connection,
    kind: EventKind,
    by: Actor,
    *,
    job_ids: Sequence[str | None] = (None,),
    bulk_id: str | None = None,
    detail: str | None = None,
) -> None:
    """Write down that something was done, once for each of these jobs, in the transaction that does it."""
    common = {
        "at": db_now(),
        "kind": kind,
        "actor": by.name[:_MAX_WHO],
        "source": by.source,
        "bulk_id": bulk_id,
        "detail": detail[:_MAX_DETAIL] if detail else None,
    }
    if job_ids:
        rows = [{"id": new_id(), "job_id": job_id} for job_id in job_ids]
        connection.execute(insert(EventRow).values(**common), rows)


def events(database: Database, wanted: EventFilter, *, limit: int, before: str | None = None) -> list[Event]:
    """Return events, the newest first; `before` is the last id of the page before."""
    query = select(*_COLUMNS).order_by(EventRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(EventRow.id < before)
    for column in ("job_id", "actor", "kind", "source"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(getattr(EventRow, column) == value)
    if wanted.since is not None:
        query = query.where(EventRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(EventRow.at < wanted.until)
    with database.read() as connection:
        return [Event(**row._mapping) for row in connection.execute(query)]
