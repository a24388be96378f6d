"""How fast jobs and workers run, and how long a job will take."""

from collections.abc import Callable

import pytest

from admin.domain.progress import Fleet, Progress, ProgressMeter
from shared.jobs.records import Job
from shared.jobs.state import ItemCounts, JobKind, JobStatus
from shared.jobs.workers import Performance, Worker

Read = Callable[..., Progress]


@pytest.fixture
def read() -> Read:
    """Reads a running job of 1,000 images, of which some have ended, at some second."""
    meter = ProgressMeter()

    def read(now: float, finished: int, *, name: str = "j", state: JobStatus = JobStatus.RUNNING) -> Progress:
        counts = ItemCounts(pending=1000 - finished, succeeded=finished)
        job = Job(
            id=name, kind=JobKind.IMAGES, name="", state=state, priority=0, submitted_by="", created_at=0,
            started_at=0, finished_at=None, sealed_at=0, cancel_requested_at=None, counts=counts,
        )  # fmt: skip
        return meter.read(job, now)

    return read


def test_the_rate_of_a_running_job_is_that_of_the_last_half_minute(read: Read) -> None:
    assert read(100, 0).rate is None
    assert read(200, 100).rate == 0.5  # not watched until now: the mean since the start
    assert read(210, 200).rate == 10
    assert read(230, 400).rate == 10
    assert read(260, 400).rate is None  # stands still
    assert read(261, 10).rate == pytest.approx(10 / 261)  # retried: starts again


def test_images_that_end_together_and_seldom_give_a_steady_rate(read: Read) -> None:
    """A claim of 64 images a minute: the half minute without one is no standstill."""
    read(0, 0)
    seen = [read(second, 64 * (second // 64)).rate for second in range(1, 640)]
    late = [rate for rate in seen[128:] if rate is not None]
    assert len(late) == len(seen[128:])
    assert all(0.5 < rate <= 1 for rate in late)
    assert read(640, 640).rate == 1
    assert read(640 + 97, 640).rate is None  # and in the end it is one


def test_jobs_that_share_the_workers_have_a_rate_each(read: Read) -> None:
    for second in range(0, 60, 2):
        fast, slow = read(100 + second, 10 * second, name="a"), read(100 + second, 2 * second, name="b")
    assert (fast.rate, slow.rate) == (10, 2)
    assert fast.seconds_left == pytest.approx((1000 - 580) / 10)
    assert slow.seconds_left == pytest.approx((1000 - 116) / 2)


def test_somebody_who_looks_seldom_sees_the_rate_since_the_last_look(read: Read) -> None:
    read(1000, 100)
    assert read(1100, 300).rate == 2
    assert read(1200, 800).rate == 5


def test_many_viewers_cost_no_more_memory_than_one(read: Read) -> None:
    for look in range(30_000):
        progress = read(look / 1000, look // 50)
    assert progress.rate == pytest.approx(20, rel=0.05)


def test_without_a_rate_nobody_knows_the_time_left(read: Read) -> None:
    assert read(10, 0).seconds_left is None
    assert read(10, 0, name="b", state=JobStatus.QUEUED).rate is None


def test_what_did_not_succeed_has_no_rate() -> None:
    def ended(counts: ItemCounts, worked: float | None, started: float | None = 0.0) -> Progress:
        job = Job(
            id="j", kind=JobKind.IMAGES, name="", state=JobStatus.PARTIAL, priority=0, submitted_by="", created_at=0,
            started_at=started, finished_at=900.0, sealed_at=0, cancel_requested_at=None, counts=counts,
            worked_seconds=worked,
        )  # fmt: skip
        return ProgressMeter().read(job, 1000.0)

    progress = ended(ItemCounts(succeeded=60, failed=40, cancelled=900), 30.0)
    assert (progress.seconds, progress.rate, progress.seconds_left) == (30.0, 2.0, None)
    assert ended(ItemCounts(failed=5), None).rate is None
    assert ended(ItemCounts(succeeded=9), None).rate == 0.01  # ended by a worker of before


def test_the_installation_is_the_sum_of_its_workers() -> None:
    def together(*speeds: Performance) -> Fleet:
        return Fleet.of([Worker("w", "w", "cpu", "", 0, 0, 0, 0, speed) for speed in speeds])

    assert together() == Fleet(0, None, None)
    assert together(Performance()) == Fleet(1, None, None)
    assert together(Performance(60, 80, "infer"), Performance(30, 40, "store")) == Fleet(2, 90, 0.75)
    # One that has not measured its model counts for the rate alone.
    assert together(Performance(60, 80, "infer"), Performance(10)) == Fleet(2, 70, 0.75)
    assert together(Performance(0, 80)) == Fleet(1, 0, 0)
