"""The tables of what is said of results: grades, corrections, comparisons of jobs."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.tables.base import UUID_TEXT, Base, partial


class ReviewRow(Base):
    """What people say of an item's result as it stands, and who is looking at it; see `shared.jobs.reviews`."""

    __tablename__ = "reviews"

    item_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    grade: Mapped[str | None] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(Text)
    graded_by: Mapped[str | None] = mapped_column(Text)
    graded_at: Mapped[float | None]
    correction_key: Mapped[str | None] = mapped_column(Text)
    corrected_by: Mapped[str | None] = mapped_column(Text)
    corrected_at: Mapped[float | None]
    held_by: Mapped[str | None] = mapped_column(Text)  # whose desk it lies on: nobody else's until `held_until`
    held_until: Mapped[float | None]

    __table_args__ = (
        partial("ix_reviews_graded", "job_id", "grade", where="grade IS NOT NULL"),
        partial("ix_reviews_corrected", "job_id", where="correction_key IS NOT NULL"),
    )


class ReviewStepRow(Base):
    """One grade or correction as it was given: `ReviewRow` has what the latest that was not undone say."""

    __tablename__ = "review_steps"

    number: Mapped[int] = mapped_column(primary_key=True)  # rising; given out while the item's review is locked
    item_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("items.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))  # a word of shared.jobs.grades.StepKind
    reviewer: Mapped[str] = mapped_column(Text)
    given_at: Mapped[float]
    grade: Mapped[str | None] = mapped_column(String(16))  # none: taken back
    note: Mapped[str | None] = mapped_column(Text)
    correction_key: Mapped[str | None] = mapped_column(Text)  # none: taken back
    undone_at: Mapped[float | None]

    __table_args__ = (
        Index("ix_review_steps_item_id_number", "item_id", "number"),
        Index("ix_review_steps_job_id_reviewer_number", "job_id", "reviewer", "number"),
    )


class ComparisonRow(Base):
    """How far the masks of one image agree in two jobs, see `shared.jobs.comparisons`."""

    __tablename__ = "comparisons"

    item_a: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    item_b: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    job_a: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    job_b: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]  # of item_a in its job
    agreement: Mapped[float]  # Dice of the two masks; -1: they cannot be compared
    inside_a: Mapped[int] = mapped_column(BigInteger)  # pixels
    inside_b: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_comparisons_item_b", "item_b"),
        Index("ix_comparisons_order", "job_a", "job_b", "agreement", "number"),
        Index("ix_comparisons_number", "job_a", "job_b", "number"),
        Index("ix_comparisons_job_b", "job_b"),
    )
