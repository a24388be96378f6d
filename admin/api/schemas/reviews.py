"""What is said of results, as the API gives it."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of, time_or_none
from shared.jobs.grades import Grade, StepKind
from shared.jobs.grades import Review as ReviewRecord
from shared.jobs.grades import Step as StepRecord

OF_REVIEWS = frozenset({"grade", "graded_by", "graded_at", "corrected_by", "corrected_at"})


class ReviewStep(Response):
    """One grade or correction as it was given."""

    kind: StepKind
    by: str
    at: Time
    grade: Grade | None = Field(description="Null: taken back, or no grade but a correction.")
    note: str | None
    undone: bool

    @classmethod
    def of(cls, step: StepRecord) -> Self:
        """Return a step as the API gives it."""
        at = time_of(step.given_at)
        return cls(kind=step.kind, by=step.reviewer, at=at, grade=step.grade, note=step.note, undone=step.is_undone)


class Review(Response):
    """What is said of a result."""

    item_id: str
    grade: Grade | None
    note: str | None
    graded_by: str | None
    graded_at: Time | None
    corrected_by: str | None
    corrected_at: Time | None
    replaced: ReviewStep | None = Field(description="The grade or correction of somebody else that this one replaces.")
    history: list[ReviewStep] = Field(description="All that was given, the first one first.")

    @classmethod
    def of(cls, item_id: str, review: ReviewRecord, history: Sequence[StepRecord], *, after: StepKind | None) -> Self:
        """Return a review as the API gives it; `after` says what has just been given."""
        return cls(
            item_id=item_id,
            note=review.note,
            **of_review(review),
            replaced=_replaced(history, after),
            history=[ReviewStep.of(step) for step in history],
        )


def of_review(review: ReviewRecord) -> dict[str, Any]:
    """Return what an image has of its review, by field."""
    values = {name: getattr(review, name) for name in OF_REVIEWS}
    return values | {name: time_or_none(values[name]) for name in ("graded_at", "corrected_at")}


def _replaced(history: Sequence[StepRecord], kind: StepKind | None) -> ReviewStep | None:
    """The step before the last one of a kind, if it was somebody else's."""
    standing = [step for step in history if step.kind is kind and not step.is_undone][-2:]
    return ReviewStep.of(standing[0]) if len({step.reviewer for step in standing}) == 2 else None
