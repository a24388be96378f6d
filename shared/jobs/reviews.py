"""Grades and corrections of results: who gives which, whose desk an item lies on, and what was given before.

Each grade and each correction is a row of the history, which is never rewritten but for the mark that it was undone.
What the latest of each kind say stands once more in `ReviewRow`, written in the same transaction. So of two reviewers
who grade the same item the last one wins, and the other's grade is still there.

An item that lies on a reviewer's desk is given to nobody else for HELD_SECONDS. That only spares work: whoever grades
it all the same, by the API say, is not refused.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from shared.db.database import Database, db_now
from shared.db.tables.jobs import IS_SUCCEEDED, STAYS, ItemRow, JobRow
from shared.db.tables.reviews import ReviewRow, ReviewStepRow
from shared.errors import IllegalTransition, UsageError
from shared.jobs.grades import MAX_NOTE_LENGTH, Grade, Graded, Review, Step, StepKind
from shared.jobs.state import ItemStatus

HELD_SECONDS = 120.0
_HISTORY = 200  # steps of an item that are told

REVIEW_COLUMNS = [getattr(ReviewRow, field.name).label(f"review_{field.name}") for field in fields(Review)]
"""What `review_of` reads from a row."""


TEACHES: ColumnElement[bool] = or_(
    ReviewRow.grade == Grade.ACCEPTED,
    ReviewRow.correction_key.is_not(None)
    & or_(
        ReviewRow.grade.is_(None),
        ReviewRow.grade != Grade.REJECTED,
        ReviewRow.corrected_at > func.coalesce(ReviewRow.graded_at, 0.0),
    ),
)
"""The condition of rows of which `Review.teaches` holds."""


def review_of(row: Any) -> Review:
    """Return what REVIEW_COLUMNS of a row say."""
    values = {field.name: getattr(row, f"review_{field.name}") for field in fields(Review)}
    return Review(**values | {"grade": Grade(values["grade"]) if values["grade"] else None})


def forget_grade(connection: Connection, item_id: str) -> None:
    """Take the grade from an item whose result is made anew; a correction, which is of its image, stays."""
    connection.execute(
        update(ReviewRow)
        .where(ReviewRow.item_id == item_id)
        .values(grade=None, note=None, graded_by=None, graded_at=None)
    )
    of_item = (ReviewStepRow.item_id == item_id) & (ReviewStepRow.kind == StepKind.GRADE)
    connection.execute(
        update(ReviewStepRow).where(of_item, ReviewStepRow.undone_at.is_(None)).values(undone_at=db_now())
    )


class Reviews:
    """The reviews of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- giving ----------------------------------------------------------------------------------------------

    def grade(self, job_id: str, item_id: str, grade: Grade | None, *, note: str | None = None, by: str) -> Review:
        """Grade a result, or take the grade back (None); return what stood there before.

        Raises:
            UsageError: there is no such item in this job, or the note is too long.
            IllegalTransition: it has no result.
        """
        note = _checked(note)
        with self._database.write() as connection:
            before = _locked(connection, job_id, item_id)
            if (before.grade, before.note, before.graded_by) != (grade, note, by):
                _add(connection, job_id, item_id, StepKind.GRADE, by, grade=grade, note=note)
        return before

    def correct(self, job_id: str, item_id: str, key: str | None, *, by: str) -> Review:
        """Note where the corrected mask of a result is stored, or take it back (None); return what stood there before.

        Raises:
            UsageError: there is no such item in this job.
            IllegalTransition: it has no result.
        """
        with self._database.write() as connection:
            before = _locked(connection, job_id, item_id)
            if before.correction_key != key:
                _add(connection, job_id, item_id, StepKind.CORRECTION, by, correction_key=key)
        return before

    def undo(self, job_id: str, *, by: str) -> str | None:
        """Undo the last grade or correction that somebody gave in a job; return its item, None where there is none.

        Raises:
            IllegalTransition: somebody else has graded or corrected the item since.
        """
        mine = (ReviewStepRow.job_id == job_id) & (ReviewStepRow.reviewer == by) & ReviewStepRow.undone_at.is_(None)
        with self._database.write() as connection:
            last = connection.execute(
                select(ReviewStepRow.number, ReviewStepRow.item_id, ReviewStepRow.kind)
                .where(mine)
                .order_by(ReviewStepRow.number.desc())
                .limit(1)
            ).one_or_none()
            if last is None:
                return None
            _locked(connection, job_id, last.item_id)
            of_kind = (ReviewStepRow.item_id == last.item_id) & (ReviewStepRow.kind == last.kind)
            newest = connection.execute(
                select(ReviewStepRow.number, ReviewStepRow.reviewer)
                .where(of_kind, ReviewStepRow.undone_at.is_(None))
                .order_by(ReviewStepRow.number.desc())
                .limit(1)
            ).one()
            if newest.number != last.number:
                raise IllegalTransition(
                    f"{newest.reviewer} has been at that image since: look at it before you change it"
                )
            connection.execute(
                update(ReviewStepRow).where(ReviewStepRow.number == last.number).values(undone_at=db_now())
            )
            _settle(connection, last.item_id, StepKind(last.kind))
        return str(last.item_id)

    # -- the desk --------------------------------------------------------------------------------------------

    def take(
        self, job_id: str, *, by: str, limit: int, keeping: Sequence[str] = (), leaving_out: Sequence[str] = ()
    ) -> list[str]:
        """Put results without a grade on somebody's desk, those trusted least first; return their ids in that order.

        Each is nobody else's for HELD_SECONDS, and the same desk's again when it asks again.

        Args:
            job_id: of the job.
            by: whose desk it is.
            limit: how many more.
            keeping: ids of what lies there already, and stays for as long again.
            leaving_out: ids of what was passed over there, and is not given to it.
        """
        ungraded = ReviewRow.item_id.is_(None) | _is_free(by)
        found = (
            select(ItemRow.id)
            .outerjoin(ReviewRow, ReviewRow.item_id == ItemRow.id)
            .where(ItemRow.job_id == job_id, IS_SUCCEEDED, ungraded)
            .order_by(ItemRow.__table__.c["trust"], ItemRow.number)
            .limit(limit)
        )
        if keeping or leaving_out:
            found = found.where(ItemRow.id.not_in([*keeping, *leaving_out]))
        mine = (ReviewRow.job_id == job_id) & (ReviewRow.held_by == by)
        with self._database.write() as connection:
            if keeping:
                kept = update(ReviewRow).where(mine, ReviewRow.item_id.in_(list(keeping)))
                connection.execute(kept.values(held_until=db_now() + HELD_SECONDS))
            if leaving_out:
                passed = update(ReviewRow).where(mine, ReviewRow.item_id.in_(list(leaving_out)))
                connection.execute(passed.values(held_by=None, held_until=None))
            ids = list(connection.execute(found).scalars())
            return [each for each in ids if _hold(connection, job_id, each, by)]

    def release(self, job_id: str, *, by: str) -> None:
        """Clear somebody's desk, so that others get what lay there."""
        held = (ReviewRow.job_id == job_id) & (ReviewRow.held_by == by)
        with self._database.write() as connection:
            connection.execute(update(ReviewRow).where(held).values(held_by=None, held_until=None))

    # -- reading ---------------------------------------------------------------------------------------------

    def history(self, item_id: str) -> list[Step]:
        """Return what was given for an item, the first one first."""
        query: Select[Any] = select(ReviewStepRow.__table__).where(ReviewStepRow.item_id == item_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ReviewStepRow.number.desc()).limit(_HISTORY)).all()
        return [_step(row) for row in reversed(rows)]

    def graded(self, job_id: str) -> Graded:
        """Count the grades and corrections of a job."""
        of_job = ReviewRow.job_id == job_id
        grades = select(ReviewRow.grade, func.count()).where(of_job, ReviewRow.grade.is_not(None))
        corrected = select(func.count()).where(of_job, ReviewRow.correction_key.is_not(None))
        with self._database.read() as connection:
            counts = {str(grade): int(count) for grade, count in connection.execute(grades.group_by(ReviewRow.grade))}
            return Graded(**counts, corrected=int(connection.execute(corrected).scalar_one()))

    def last_change(self, job_id: str) -> tuple[int, float]:
        """Return the number of the last step in a job, and when something of its reviews changed last, in Unix seconds.

        Both are 0 of a job that nobody has reviewed.
        """
        newest = func.max(ReviewStepRow.number), func.max(ReviewStepRow.given_at), func.max(ReviewStepRow.undone_at)
        with self._database.read() as connection:
            number, given_at, undone_at = connection.execute(
                select(*newest).where(ReviewStepRow.job_id == job_id)
            ).one()
        return number or 0, max(given_at or 0.0, undone_at or 0.0)


def _checked(note: str | None) -> str | None:
    text = (note or "").strip()
    if len(text) > MAX_NOTE_LENGTH:
        raise UsageError(f"a note has at most {MAX_NOTE_LENGTH:,} characters, this one has {len(text):,}: shorten it")
    if "\0" in text:
        raise UsageError("a note is text: it holds a NUL")
    return text or None


def _locked(connection: Connection, job_id: str, item_id: str) -> Review:
    """Lock an item's review, made where there was none, and return it."""
    known = (
        select(ItemRow.state)
        .join(JobRow, JobRow.id == ItemRow.job_id)
        .where(ItemRow.id == item_id, ItemRow.job_id == job_id, STAYS)
    )
    state = connection.execute(known).scalar_one_or_none()
    if state is None:
        raise UsageError("there is no such image in this job")
    if state != ItemStatus.SUCCEEDED:
        raise IllegalTransition("an image without a result has nothing to be graded: wait for it, or retry it")
    connection.execute(_inserted(connection, item_id=item_id, job_id=job_id).on_conflict_do_nothing())
    row = connection.execute(select(*REVIEW_COLUMNS).where(ReviewRow.item_id == item_id).with_for_update()).one()
    return review_of(row)


def _add(connection: Connection, job_id: str, item_id: str, kind: StepKind, by: str, **values: Any) -> None:
    step = {"item_id": item_id, "job_id": job_id, "kind": kind, "reviewer": by, "given_at": db_now()}
    connection.execute(insert(ReviewStepRow).values(**step, **values))
    _settle(connection, item_id, kind)


def _settle(connection: Connection, item_id: str, kind: StepKind) -> None:
    """Write into the review what the latest step of a kind says that was not undone."""
    of_kind = (ReviewStepRow.item_id == item_id) & (ReviewStepRow.kind == kind) & ReviewStepRow.undone_at.is_(None)
    query: Select[Any] = select(ReviewStepRow.__table__).where(of_kind).order_by(ReviewStepRow.number.desc()).limit(1)
    latest = connection.execute(query).one_or_none()
    by, at = (None, None) if latest is None else (latest.reviewer, latest.given_at)
    if kind is StepKind.GRADE:
        grade, note = (None, None) if latest is None else (latest.grade, latest.note)
        values = {"grade": grade, "note": note, "graded_by": by, "graded_at": at}
    else:
        key = None if latest is None else latest.correction_key
        values = {"correction_key": key, "corrected_by": by if key else None, "corrected_at": at if key else None}
    connection.execute(update(ReviewRow).where(ReviewRow.item_id == item_id).values(**values))


def _is_free(by: str) -> ColumnElement[bool]:
    """Return the condition of reviews without a grade whose items lie on no other desk."""
    free = or_(ReviewRow.held_until.is_(None), ReviewRow.held_until < db_now(), ReviewRow.held_by == by)
    return ReviewRow.grade.is_(None) & free


def _hold(connection: Connection, job_id: str, item_id: str, by: str) -> bool:
    """Put an item on a desk; False where another one has been faster."""
    statement = _inserted(connection, item_id=item_id, job_id=job_id, held_by=by, held_until=db_now() + HELD_SECONDS)
    held = statement.on_conflict_do_update(
        index_elements=["item_id"],
        set_={"held_by": statement.excluded.held_by, "held_until": statement.excluded.held_until},
        where=_is_free(by),
    ).returning(ReviewRow.item_id)
    return connection.execute(held).scalar_one_or_none() is not None


def _inserted(connection: Connection, **values: Any) -> Any:
    own_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return own_insert(ReviewRow).values(**values)


def _step(row: Any) -> Step:
    return Step(
        kind=StepKind(row.kind),
        reviewer=row.reviewer,
        given_at=row.given_at,
        grade=Grade(row.grade) if row.grade else None,
        note=row.note,
        correction_key=row.correction_key,
        is_undone=row.undone_at is not None,
    )
