"""Following a job to its end: SQL is asked, gently, and may be away for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from producer.display import Display
from shared.errors import DatabaseUnavailable
from shared.jobs.records import Job
from shared.jobs.state import JobStatus
from shared.services import Services

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 1.0
_PAUSE_GROWTH = 1.3
# A restart of the database, or a failover, is over by then.
_MAX_OUTAGE_SECONDS = 120.0
_NO_WORKER_SECONDS = 15.0
_WORKER_SEEN_SECONDS = 60.0


def watch(services: Services, job_id: str, display: Display) -> Job:
    """Show a job's progress until it ends, and return it.

    Raises:
        JobNotFound: no such job.
        DatabaseUnavailable: the database stayed away for two minutes; the job goes on.
    """
    job = services.repository.job(job_id)
    begun = time.monotonic()
    looked_for_workers = False
    pauses = _pauses()
    with display.progress("segmenting", job.counts.total) as bar:
        while True:
            failed = f"{job.counts.failed:,} failed" if job.counts.failed else ""
            bar(job.counts.finished, failed, total=job.counts.total)
            if job.state.is_final:
                return job
            waits = job.state is JobStatus.QUEUED and time.monotonic() - begun > _NO_WORKER_SECONDS
            if waits and not looked_for_workers:
                looked_for_workers = True
                _tell_if_no_worker(services, display)
            time.sleep(next(pauses))
            job = _read(services, job_id, display)


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * _PAUSE_GROWTH, _MAX_PAUSE_SECONDS)


def _read(services: Services, job_id: str, display: Display, sleep: Callable[[float], None] = time.sleep) -> Job:
    """Read the job, trying again for a while when the database is away."""

    def say(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome is not None:
            display.line(f"{state.outcome.exception()}; trying again")

    return Retrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_exponential(multiplier=_FIRST_PAUSE_SECONDS, exp_base=_PAUSE_GROWTH, max=_MAX_PAUSE_SECONDS),
        stop=stop_after_delay(_MAX_OUTAGE_SECONDS),
        before_sleep=say,
        sleep=sleep,
        reraise=True,
    )(services.repository.job, job_id)


def _tell_if_no_worker(services: Services, display: Display) -> None:
    with suppress(DatabaseUnavailable):
        if services.workers.alive(within=_WORKER_SEEN_SECONDS):
            return
        display.line("no worker is running, so the job waits: start one, or the whole stack with `make up`")
