"""Grades, corrections and the desk, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow
from shared.db.tables.reviews import ReviewRow
from shared.errors import IllegalTransition, UsageError
from shared.jobs.claims import Claims
from shared.jobs.grades import MAX_NOTE_LENGTH, Grade, Graded, Review
from shared.jobs.repository import Repository
from shared.jobs.reviews import Reviews, forget_grade
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob


@pytest.fixture
def reviews(database: Database) -> Reviews:
    return Reviews(database)


@pytest.fixture
def job(database: Database, claims: Claims, make_job: MakeJob) -> str:
    """Six results, whose trust rises with their number but for the last, which is trusted least; two still wait."""
    job_id, shards = make_job(6, 2)
    claim = claims.claim(shards[0], worker="w")
    assert claim is not None
    claims.complete(claim, all_succeed(claim))
    with database.write() as connection:
        for number in range(6):
            trust = 0.01 if number == 5 else 0.5 + number / 10
            row = (ItemRow.job_id == job_id) & (ItemRow.number == number)
            connection.execute(update(ItemRow).where(row).values({"trust": trust}))
    return job_id


@pytest.fixture
def ids(repository: Repository, job: str) -> list[str]:
    return [item.id for item in repository.items(job, limit=8)]


def standing(repository: Repository, item_id: str) -> Review:
    item = repository.item(item_id)
    assert item is not None
    return item.review


def test_a_grade_stands_with_its_note_and_who_gave_it(
    repository: Repository, reviews: Reviews, job: str, ids: list[str]
) -> None:
    assert reviews.grade(job, ids[0], Grade.REJECTED, note=" a hole ", by="ana") == Review()
    review = standing(repository, ids[0])
    assert (review.grade, review.note, review.graded_by) == (Grade.REJECTED, "a hole", "ana")
    assert review.graded_at is not None
    assert standing(repository, ids[1]) == Review()
    assert reviews.graded(job) == Graded(rejected=1)
    # Given once more it is the same grade, not another one.
    reviews.grade(job, ids[0], Grade.REJECTED, note="a hole", by="ana")
    assert len(reviews.history(ids[0])) == 1
    assert standing(repository, ids[0]) == review


def test_the_last_grade_wins_and_the_others_stay(
    repository: Repository, reviews: Reviews, job: str, ids: list[str]
) -> None:
    reviews.grade(job, ids[0], Grade.ACCEPTED, by="ana")
    replaced = reviews.grade(job, ids[0], Grade.REJECTED, by="kim")
    assert (replaced.grade, replaced.graded_by) == (Grade.ACCEPTED, "ana")
    assert standing(repository, ids[0]).graded_by == "kim"
    assert [(step.reviewer, step.grade) for step in reviews.history(ids[0])] == [
        ("ana", Grade.ACCEPTED),
        ("kim", Grade.REJECTED),
    ]


def test_undo_brings_back_what_stood_before(repository: Repository, reviews: Reviews, job: str, ids: list[str]) -> None:
    reviews.grade(job, ids[0], Grade.ACCEPTED, by="kim")
    reviews.grade(job, ids[1], Grade.UNSURE, by="ana")
    reviews.grade(job, ids[0], Grade.REJECTED, by="ana")
    reviews.correct(job, ids[0], "a/key", by="ana")
    assert reviews.undo(job, by="ana") == ids[0]
    assert standing(repository, ids[0]).correction_key is None
    assert standing(repository, ids[0]).grade is Grade.REJECTED
    assert reviews.undo(job, by="ana") == ids[0]
    assert (standing(repository, ids[0]).grade, standing(repository, ids[0]).graded_by) == (Grade.ACCEPTED, "kim")
    assert reviews.undo(job, by="ana") == ids[1]
    assert standing(repository, ids[1]).grade is None
    assert reviews.undo(job, by="ana") is None
    assert [step.is_undone for step in reviews.history(ids[0])] == [False, True, True]


def test_undo_touches_no_grade_that_came_later(reviews: Reviews, job: str, ids: list[str]) -> None:
    reviews.grade(job, ids[0], Grade.ACCEPTED, by="ana")
    reviews.grade(job, ids[0], Grade.REJECTED, by="kim")
    with pytest.raises(IllegalTransition, match="kim has been at that image since"):
        reviews.undo(job, by="ana")


def test_a_correction_is_kept_with_who_made_it(
    repository: Repository, reviews: Reviews, job: str, ids: list[str]
) -> None:
    reviews.grade(job, ids[0], Grade.REJECTED, by="ana")
    assert not standing(repository, ids[0]).teaches
    reviews.correct(job, ids[0], "first", by="kim")
    reviews.correct(job, ids[0], "second", by="ana")
    review = standing(repository, ids[0])
    assert (review.correction_key, review.corrected_by, review.grade) == ("second", "ana", Grade.REJECTED)
    assert review.teaches  # since it was corrected after the result had been rejected
    assert reviews.graded(job) == Graded(rejected=1, corrected=1)
    reviews.grade(job, ids[0], Grade.UNSURE, by="ana")
    reviews.grade(job, ids[0], Grade.REJECTED, by="ana")
    assert not standing(repository, ids[0]).teaches
    reviews.correct(job, ids[0], None, by="ana")
    assert standing(repository, ids[0]).correction_key is None


def test_what_has_no_result_is_not_graded(reviews: Reviews, job: str, ids: list[str]) -> None:
    with pytest.raises(IllegalTransition, match="without a result"):
        reviews.grade(job, ids[7], Grade.ACCEPTED, by="ana")
    with pytest.raises(UsageError, match="no such image"):
        reviews.grade(ids[0], ids[0], Grade.ACCEPTED, by="ana")
    with pytest.raises(UsageError, match="at most 1,000 characters"):
        reviews.grade(job, ids[0], Grade.ACCEPTED, note="x" * (MAX_NOTE_LENGTH + 1), by="ana")


def test_the_desk_has_the_worst_first_and_nothing_twice(reviews: Reviews, job: str, ids: list[str]) -> None:
    worst_first = [ids[5], *ids[:5]]
    assert reviews.take(job, by="ana", limit=2) == worst_first[:2]
    # On ana's desk until she grades them, or leaves them for a while.
    assert reviews.take(job, by="kim", limit=2) == worst_first[2:4]
    assert reviews.take(job, by="ana", limit=3) == [*worst_first[:2], worst_first[4]]
    reviews.grade(job, worst_first[0], Grade.ACCEPTED, by="ana")
    assert reviews.take(job, by="ana", limit=1) == [worst_first[1]]
    assert reviews.take(job, by="ana", limit=9, keeping=[worst_first[1]]) == [worst_first[4], worst_first[5]]
    # What was passed over is for others.
    assert reviews.take(job, by="ana", limit=1, keeping=worst_first[4:], leaving_out=[worst_first[1]]) == []
    assert reviews.take(job, by="kim", limit=1, keeping=worst_first[2:4]) == [worst_first[1]]
    reviews.release(job, by="kim")
    reviews.release(job, by="ana")
    assert reviews.take(job, by="kim", limit=9) == worst_first[1:]
    assert reviews.take(job, by="ana", limit=9) == []


def test_a_desk_that_was_left_is_cleared_in_time(
    database: Database, reviews: Reviews, job: str, ids: list[str]
) -> None:
    reviews.take(job, by="ana", limit=6)
    assert reviews.take(job, by="kim", limit=6) == []
    with database.write() as connection:
        connection.execute(update(ReviewRow).values(held_until=0.0))
    assert len(reviews.take(job, by="kim", limit=6)) == 6


def test_several_desks_at_once_get_different_images(reviews: Reviews, job: str, ids: list[str]) -> None:
    with ThreadPoolExecutor(3) as desks:
        taken = list(desks.map(lambda name: reviews.take(job, by=name, limit=2), ["a", "b", "c"]))
    together = [each for desk in taken for each in desk]
    assert len(together) == len(set(together))
    assert set(together) <= set(ids[:6])


def test_a_result_that_is_made_anew_keeps_its_correction_alone(
    database: Database, repository: Repository, reviews: Reviews, job: str, ids: list[str]
) -> None:
    reviews.grade(job, ids[0], Grade.ACCEPTED, by="ana")
    reviews.correct(job, ids[0], "key", by="ana")
    with database.write() as connection:
        forget_grade(connection, ids[0])
    review = standing(repository, ids[0])
    assert (review.grade, review.graded_by, review.correction_key) == (None, None, "key")
    assert [step.is_undone for step in reviews.history(ids[0])] == [True, False]


def test_reviews_go_with_their_items(database: Database, reviews: Reviews, job: str, ids: list[str]) -> None:
    reviews.grade(job, ids[0], Grade.ACCEPTED, by="ana")
    with database.write() as connection:
        connection.execute(ItemRow.__table__.delete().where(ItemRow.id == ids[0]))
        assert connection.execute(select(ReviewRow.item_id)).all() == []
    assert reviews.history(ids[0]) == []
