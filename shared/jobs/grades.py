"""What people say of results: grades, notes and corrected masks, as frozen values free of SQL."""

from dataclasses import dataclass
from enum import StrEnum

MAX_NOTE_LENGTH = 1000  # characters


class Grade(StrEnum):
    """What a reviewer says of a result."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"


class StepKind(StrEnum):
    """What a reviewer did to an item."""

    GRADE = "grade"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Review:
    """What is said of a result as it stands; the fields are columns of `ReviewRow`, described there."""

    grade: Grade | None = None
    note: str | None = None
    graded_by: str | None = None
    graded_at: float | None = None  # Unix seconds
    correction_key: str | None = None
    corrected_by: str | None = None
    corrected_at: float | None = None  # Unix seconds

    @property
    def teaches(self) -> bool:
        """Whether image and mask are a pair to train on: corrected by hand, or accepted as it is.

        A correction that was rejected afterwards is none.
        """
        if self.grade is Grade.REJECTED:
            later = self.corrected_at is not None and (self.graded_at is None or self.corrected_at > self.graded_at)
            return self.correction_key is not None and later
        return self.correction_key is not None or self.grade is Grade.ACCEPTED


NO_REVIEW = Review()


@dataclass(frozen=True)
class Step:
    """One grade or correction as it was given, in the order of time."""

    kind: StepKind
    reviewer: str
    given_at: float  # Unix seconds
    grade: Grade | None
    note: str | None
    correction_key: str | None
    is_undone: bool


@dataclass(frozen=True)
class Graded:
    """How many results of a job have which grade, and how many a corrected mask."""

    accepted: int = 0
    rejected: int = 0
    unsure: int = 0
    corrected: int = 0

    @property
    def total(self) -> int:
        """Return how many have a grade at all."""
        return self.accepted + self.rejected + self.unsure
