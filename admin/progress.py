"""How far jobs are and how fast they run, for the pages."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from shared.jobs.records import Job
from shared.jobs.state import JOB_STEPS, JobEvent

_WINDOW_SECONDS = 30.0
_SHORTEST_SPAN_SECONDS = 3.0
_MOST_JOBS = 500
_MOST_SAMPLES = 120  # of a job


@dataclass(frozen=True)
class Progress:
    """A job at one moment. `rate` is in images a second; None stands for not known."""

    job: Job
    age: float  # seconds since it was submitted
    seconds: float | None  # since its first claim, up to its end
    rate: float | None
    seconds_left: float | None

    @property
    def is_open(self) -> bool:
        """Whether it can still change by itself."""
        return not self.job.state.is_final

    @property
    def state_words(self) -> str:
        """Its state, with what a state alone does not say."""
        if self.is_open and self.job.cancel_requested_at is not None:
            return "cancelling"
        if self.is_open and self.job.sealed_at is None:
            return f"{self.job.state}, still uploading"
        return str(self.job.state)

    @property
    def can_cancel(self) -> bool:
        """Whether a cancel is a legal step that has not been asked for yet."""
        return self.job.state in JOB_STEPS[JobEvent.CANCEL].sources and self.job.cancel_requested_at is None

    @property
    def can_retry(self) -> bool:
        """Whether a retry is a legal step."""
        return self.job.state in JOB_STEPS[JobEvent.RETRY].sources


class ProgressMeter:
    """Keeps the last counts seen of each running job, in this process's memory."""

    def __init__(self) -> None:
        self._samples: OrderedDict[str, deque[tuple[float, int]]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job: Job, now: float) -> Progress:
        """Return the progress of a job at the time `now` of the database's clock."""
        rate = self._rate(job, now)
        seconds = None if job.started_at is None else max(0.0, (job.finished_at or now) - job.started_at)
        remaining = job.counts.pending + job.counts.running
        goes_on = not job.state.is_final and job.sealed_at is not None and job.cancel_requested_at is None
        left = remaining / rate if rate and goes_on else None
        return Progress(job, age=max(0.0, now - job.created_at), seconds=seconds, rate=rate, seconds_left=left)

    def _rate(self, job: Job, now: float) -> float | None:
        """Images a second: over the last half minute of a running job, over all of one that has ended.

        A running job that was not watched until now has the mean since its start.
        """
        finished = job.counts.finished
        if job.started_at is None or not finished:
            return None
        if job.state.is_final:
            return _mean(finished, (job.finished_at or now) - job.started_at)
        first, before = self._note(job.id, finished, now)
        if now - first < _SHORTEST_SPAN_SECONDS:
            return _mean(finished, now - job.started_at)
        return _mean(finished - before, now - first)

    def _note(self, job_id: str, finished: int, now: float) -> tuple[float, int]:
        """Add a sample and return the oldest one of the window."""
        with self._lock:
            samples = self._samples.setdefault(job_id, deque(maxlen=_MOST_SAMPLES))
            self._samples.move_to_end(job_id)
            while len(self._samples) > _MOST_JOBS:
                self._samples.popitem(last=False)
            # Less than before: the job was retried, and starts again.
            if samples and finished < samples[-1][1]:
                samples.clear()
            samples.append((now, finished))
            while samples[0][0] < now - _WINDOW_SECONDS:
                samples.popleft()
            return samples[0]


def _mean(count: int, seconds: float) -> float | None:
    return count / seconds if count > 0 and seconds > 0 else None
