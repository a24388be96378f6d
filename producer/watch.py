"""Following a job to its end: SQL is asked, gently, and may be away for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from producer.display import Display
from shared.commandline import plural
from shared.errors import DatabaseUnavailable, UsageError
from shared.jobs.records import Job
from shared.jobs.workers import ALIVE_SECONDS
from shared.services import Services

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 1.0
_PAUSE_GROWTH = 1.3
# A restart of the database, or a failover, is over by then.
_MAX_OUTAGE_SECONDS = 120.0
# How long a job may stand still before it is asked why, and how often.
_STANDSTILL_SECONDS = 3.0
_ASKED_AGAIN_SECONDS = 5.0


def watch(services: Services, job_id: str, display: Display) -> Job:
    """Show a job's progress until it ends, and return it.

    Raises:
        JobNotFound: no such job.
        UsageError: its upload was interrupted, and what had been uploaded is done: it does not end by itself.
        DatabaseUnavailable: the database stayed away for two minutes; the job goes on.
    """
    job = services.repository.job(job_id)
    standstill = _Standstill(services, display)
    pause = pauses()
    with display.progress("segmenting", job.counts.total) as bar:
        while True:
            failed = f"{job.counts.failed:,} failed" if job.counts.failed else ""
            bar(job.counts.finished, failed, total=job.counts.total)
            if job.state.is_final:
                return job
            standstill.look(job)
            time.sleep(next(pause))
            job = _read(services, job_id, display)


def why_it_waits(services: Services, job: Job) -> str | None:
    """Return why nobody works on what is left of an open job, and what to do; None where somebody does."""
    if job.state.is_final or not job.counts.pending + job.counts.running:
        return None
    quiet = services.workers.quiet_for()
    if quiet is not None and quiet < ALIVE_SECONDS:
        return None
    seen = "no worker is running" if quiet is None else f"no worker has been seen for {quiet:,.0f} s"
    return f"{seen}: is {'`make up`' if services.settings.is_embedded else 'one'} running?"


def stopped_upload(job: Job) -> str | None:
    """Return what to do about a job whose upload was interrupted; None for any other."""
    if not job.upload_stopped:
        return None
    return (
        f"job {job.id}: {job.upload_words}, after {plural(job.counts.total, 'image')}; the same `producer submit` goes "
        f"on with it, `producer cancel {job.id}` ends it"
    )


class _Standstill:
    """Asks why a job stands still, and says it once for each time it does."""

    def __init__(self, services: Services, display: Display) -> None:
        self._services = services
        self._display = display
        self._finished = -1
        self._ask_from = 0.0
        self._said: set[str] = set()

    def look(self, job: Job) -> None:
        """Say why the job stands still, if it does.

        Raises:
            UsageError: its upload was interrupted, and what had been uploaded is done.
        """
        now = time.monotonic()
        if job.counts.finished != self._finished:
            self._finished, self._ask_from = job.counts.finished, now + _STANDSTILL_SECONDS
            self._said.clear()
        if now < self._ask_from:
            return
        self._ask_from = now + _ASKED_AGAIN_SECONDS
        stopped = stopped_upload(job)
        if stopped and not job.counts.pending + job.counts.running:
            raise UsageError(stopped)
        with suppress(DatabaseUnavailable):
            waits = why_it_waits(self._services, job)
            self._say("upload", stopped)
            self._say("worker", waits)

    def _say(self, about: str, text: str | None) -> None:
        if text and about not in self._said:
            self._said.add(about)
            self._display.line(text)


def pauses(first: float = _FIRST_PAUSE_SECONDS, most: float = _MAX_PAUSE_SECONDS) -> Iterator[float]:
    """Yield how long to wait before each further look, in seconds: longer and longer, up to `most`."""
    pause = first
    while True:
        yield pause
        pause = min(pause * _PAUSE_GROWTH, most)


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
