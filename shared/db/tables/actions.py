"""The tables of what somebody asked for: events, and actions on many jobs."""

from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.tables.base import UUID_TEXT, Base, partial


class EventRow(Base):
    """A change that somebody asked for, see `shared.db.events`; it outlives its job."""

    __tablename__ = "events"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(128))
    source: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str | None] = mapped_column(UUID_TEXT)
    bulk_id: Mapped[str | None] = mapped_column(UUID_TEXT)
    detail: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_events_job_id", "job_id", "id"), Index("ix_events_actor", "actor", "id"))


class BulkActionRow(Base):
    """An action on many jobs, and how far it is; see `shared.jobs.bulk_actions`."""

    __tablename__ = "bulk_actions"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    selection: Mapped[dict[str, Any]] = mapped_column(nullable=False)  # ids of jobs, or a filter as it was then
    codes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # of a retry
    priority: Mapped[int | None]
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # of clones
    made_at: Mapped[float]
    made_by: Mapped[str] = mapped_column(String(128))
    source: Mapped[str] = mapped_column(String(16))
    matched: Mapped[int]  # jobs, when it was asked for, counted up to a limit
    matched_more: Mapped[bool]
    jobs_done: Mapped[int]
    jobs_skipped: Mapped[int]  # whose state did not allow it
    items_done: Mapped[int]
    after_job: Mapped[str | None] = mapped_column(UUID_TEXT)  # the last one that is done; they go by id
    begun_at: Mapped[float | None]
    abort_requested_at: Mapped[float | None]
    finished_at: Mapped[float | None]

    __table_args__ = (partial("ix_bulk_actions_open", "id", where="finished_at IS NULL"),)
