"""Which jobs are meant: a filter as the pages, the API and bulk actions give it, and its condition in SQL."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from shared.db.tables.jobs import HAS_FAILED, IS_OPEN, IS_TALLIED, STAYS, UNTALLIED, FailureCountRow, ItemRow, JobRow
from shared.jobs.state import JobKind, JobStatus

OWN_MODEL = "own"
"""In place of a model: jobs whose images get each worker's own."""


class JobSort(StrEnum):
    """In which order jobs are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ENDED = "ended"  # the latest end first; those that have ended alone
    NAME = "name"
    PRIORITY = "priority"  # the highest first


@dataclass(frozen=True)
class JobFilter:
    """What jobs must fulfil; what is None or empty asks for nothing. Times are Unix seconds of the submission."""

    states: tuple[JobStatus, ...] = ()
    kind: JobKind | None = None
    owner: str | None = None
    since: float | None = None  # not before
    until: float | None = None  # before
    text: str | None = None  # in the name or in who submitted it, or the end of the id
    cause: str | None = None  # the code of a failure of one of its images
    model: str | None = None  # the beginning of its SHA-256, or OWN_MODEL

    @property
    def is_empty(self) -> bool:
        """Whether every job fulfils it."""
        return self == JobFilter()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what rows of jobs have to fulfil; those that are being removed never do."""
        found: list[ColumnElement[bool]] = [STAYS]
        if self.states:
            found.append(JobRow.state.in_(self.states))
        if self.kind is not None:
            found.append(JobRow.kind == self.kind)
        if self.owner is not None:
            found.append(JobRow.owner == self.owner)
        if self.since is not None:
            found.append(JobRow.created_at >= self.since)
        if self.until is not None:
            found.append(JobRow.created_at < self.until)
        if self.text:
            found.append(_has_text(self.text))
        if self.cause is not None:
            found.append(failed_with(self.cause))
        if self.model == OWN_MODEL:
            found.append(JobRow.model.is_(None))
        elif self.model is not None:
            found.append(JobRow.model.startswith(self.model, autoescape=True))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it, without what asks for nothing."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "JobFilter":
        """Return the filter that `as_json` wrote."""
        found = cls(**{name: value for name, value in values.items() if name not in ("states", "kind")})
        kind = values.get("kind")
        states = tuple(JobStatus(state) for state in values.get("states", ()))
        return replace(found, states=states, kind=None if kind is None else JobKind(kind))


ALL_JOBS = JobFilter()
"""Every job fulfils it."""


def failed_with(code: str) -> ColumnElement[bool]:
    """Return the condition of jobs of which an image failed with this code."""
    # Of jobs that have ended it is counted once (`shared.upkeep.tally`); the few others are asked one by one.
    counted = select(FailureCountRow.job_id).where(FailureCountRow.code == code)
    live = select(ItemRow.number).where(ItemRow.job_id == JobRow.id, HAS_FAILED, ItemRow.error_code == code)
    return or_(IS_TALLIED & JobRow.id.in_(counted), or_(IS_OPEN, UNTALLIED) & live.exists())


def _has_text(text: str) -> ColumnElement[bool]:
    folded = text.lower()
    return or_(
        func.lower(JobRow.name).contains(folded, autoescape=True),
        func.lower(JobRow.submitted_by).contains(folded, autoescape=True),
        JobRow.id.endswith(folded, autoescape=True),
    )
