"""Actions on many jobs, as the API gives them."""

from typing import Any, Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of, time_or_none
from shared.jobs.bulk_actions import BulkAction as BulkActionRecord
from shared.jobs.bulk_actions import BulkKind, BulkState
from shared.jobs.records import Priority


class BulkAction(Response):
    """An action on many jobs, and how far it is."""

    id: str
    action: BulkKind
    state: BulkState
    jobs: list[str] | None = Field(description="Those that were named; null: a filter was given.")
    filter: dict[str, Any] | None = Field(description="As it was when it was asked for; times in Unix seconds.")
    codes: list[str] | None
    priority: str | None
    changes: dict[str, Any] | None = Field(
        description="What clones have of their own; a scale of 0 is `auto`, a model of null the active one."
    )
    matched: int = Field(description="Jobs that were meant when it was asked for, counted up to a limit.")
    matched_more: bool = Field(description="Whether there were more than `matched`.")
    jobs_done: int
    jobs_skipped: int = Field(description="Left out, since their state does not allow it.")
    items_done: int = Field(description="Images that a retry has put back.")
    created_at: Time
    created_by: str
    finished_at: Time | None
    abort_requested: bool

    @classmethod
    def of(cls, action: BulkActionRecord) -> Self:
        """Return an action as the API gives it."""
        own = ("id", "state", "codes", "changes", "matched", "matched_more", "jobs_done", "jobs_skipped", "items_done")
        return cls(
            **{name: getattr(action, name) for name in own},
            action=action.kind,
            jobs=action.selection.get("jobs"),
            filter=action.selection.get("filter"),
            priority=None if action.priority is None else Priority(action.priority).word,
            created_at=time_of(action.made_at),
            created_by=action.made_by,
            finished_at=time_or_none(action.finished_at),
            abort_requested=action.abort_requested_at is not None,
        )


class BulkActions(Response):
    """A page of actions on many jobs, the newest first."""

    bulk_actions: list[BulkAction]
    next: str | None = Field(description="The `before` of the next page; null on the last.")
