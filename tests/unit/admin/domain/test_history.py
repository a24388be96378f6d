import pytest

from admin.domain.history import BINS, MAX_JOBS, span
from shared.jobs.records import Job
from shared.jobs.state import ItemCounts, JobKind, JobStatus

NOW = 100_000.0


def job(created: float, started: float | None, finished: float | None, **counts: int) -> Job:
    """A job whose times are minutes before NOW."""
    moments = [None if minutes is None else NOW - 60 * minutes for minutes in (created, started, finished)]
    return Job(
        id="", kind=JobKind.IMAGES, name="", state=JobStatus.RUNNING, priority=0, submitted_by="", sealed_at=None,
        cancel_requested_at=None, created_at=moments[0] or 0.0, started_at=moments[1], finished_at=moments[2],
        counts=ItemCounts(**counts),
    )  # fmt: skip


def test_images_end_evenly_from_begin_to_end() -> None:
    seen = span([job(40, 30, 20, succeeded=540, failed=60)], NOW, 3600.0, "")
    assert len(seen.rates) == len(seen.waiting) == BINS
    assert [minute for minute, rate in enumerate(seen.rates) if rate] == list(range(30, 40))
    assert seen.rates[35] == pytest.approx(1.0)
    assert (seen.waiting[18], seen.waiting[19], seen.waiting[29]) == (0, 600, 600)
    assert (seen.waiting[34], seen.waiting[39]) == (300, 0)
    assert sum(seen.rates) * 60 == pytest.approx(600)


def test_what_is_open_counts_until_now_and_what_was_cancelled_never_waits() -> None:
    running = job(10, 10, None, succeeded=60, pending=30, running=10, cancelled=7)
    seen = span([running, job(5, None, None, pending=5)], NOW, 3600.0, "")
    assert seen.rates[-1] == pytest.approx(0.1)
    assert seen.waiting[-1] == 45
    assert seen.top_waiting == 100


def test_what_began_before_the_span_counts_from_its_begin_only() -> None:
    seen = span([job(120, 120, 30, succeeded=5400)], NOW, 3600.0, "")
    assert sum(seen.rates) * 60 == pytest.approx(1800)


def test_a_history_of_too_many_jobs_says_so() -> None:
    seen = span([job(5, None, None, pending=1)] * (MAX_JOBS + 1), NOW, 3600.0, "")
    assert (seen.is_cut, seen.jobs, seen.waiting[-1]) == (True, MAX_JOBS, MAX_JOBS)
    assert not span([], NOW, 3600.0, "").is_cut
