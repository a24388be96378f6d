"""How far jobs are, and how fast they and the workers run, for the pages and the API."""

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shared.jobs.pace import pace_of, worked_of
from shared.jobs.records import Job
from shared.jobs.state import JOB_STEPS, JobEvent
from shared.jobs.workers import Performance, Worker

# The rate is that of the last half minute or, of a job whose images end more seldom, up to the end before.
_WINDOW_SECONDS = 30.0
_MIN_SPAN_SECONDS = 3.0
# A job stands still once nothing has ended for so many times as long as there was between the ends before.
_PATIENCE = 1.5
_MAX_JOBS = 500
_SAMPLES_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """A job at one moment. `rate` is in images a second that succeeded; None stands for not known."""

    job: Job
    age: float  # seconds since it was submitted
    seconds: float | None  # in work; of one that goes on, since it was last begun and what it took before
    rate: float | None
    seconds_left: float | None

    @property
    def is_open(self) -> bool:
        """Whether the job can still change by itself."""
        return not self.job.state.is_final

    @property
    def state_words(self) -> str:
        """The job's state, with what a state alone does not say."""
        if self.is_open and self.job.cancel_requested_at is not None:
            return "cancelling"
        return ", ".join(filter(None, (str(self.job.state), self.job.upload_words)))

    @property
    def can_cancel(self) -> bool:
        """Whether a cancel is a legal step that has not been asked for yet."""
        return self.job.state in JOB_STEPS[JobEvent.CANCEL].sources and self.job.cancel_requested_at is None

    @property
    def can_retry(self) -> bool:
        """Whether a retry is a legal step: of what did not succeed in an ended job, of what failed in an open one."""
        has_failures = self.job.counts.failed > 0 and self.job.cancel_requested_at is None
        return self.job.state in JOB_STEPS[JobEvent.RETRY].sources or (self.is_open and has_failures)


def at_rest(seen: Progress) -> Progress:
    """Return the progress without what goes on by itself, such as the job's age, to be compared with a later one."""
    quiet = seen.job.quiet_for
    if quiet is not None:
        quiet = quiet // 60 * 60 if seen.job.upload_stopped else 0.0
    return replace(seen, age=0.0, job=replace(seen.job, quiet_for=quiet))


@dataclass(frozen=True)
class Fleet:
    """What all workers do together; None stands for not known."""

    workers: int
    images_per_second: float | None
    share: float | None  # of the bare model's speed, over the workers that know both

    @classmethod
    def of(cls, workers: Sequence[Worker]) -> "Fleet":
        """Return the sum over these workers."""
        speeds = [worker.performance for worker in workers]
        rates = [speed.images_per_second for speed in speeds if speed.images_per_second is not None]
        known = [speed for speed in speeds if speed.share is not None]
        together = Performance(
            images_per_second=sum(speed.images_per_second or 0.0 for speed in known),
            bare_images_per_second=sum(speed.bare_images_per_second or 0.0 for speed in known),
        )
        return cls(len(workers), images_per_second=sum(rates) if rates else None, share=together.share)


class _Sample(NamedTuple):
    at: float
    succeeded: int


class ProgressMeter:
    """Keeps the last counts seen of each running job, in this process's memory."""

    def __init__(self) -> None:
        self._samples: OrderedDict[str, deque[_Sample]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job: Job, now: float) -> Progress:
        """Return the progress of a job at the time `now` of the database's clock."""
        if job.state.is_final:
            pace = pace_of(job, worked_of(job))
        else:
            # Exactly it is known at the end: looking at each image of a large job takes too long for each look at it.
            since = None if job.started_at is None else max(0.0, now - job.started_at)
            worked = None if since is None else since + (job.worked_seconds or 0.0)
            pace = pace_of(job, worked, rate=self._rate(job, now, worked))
        age = max(0.0, now - job.created_at)
        return Progress(job, age=age, seconds=pace.seconds, rate=pace.images_per_second, seconds_left=pace.seconds_left)

    def _rate(self, job: Job, now: float, worked: float | None) -> float:
        """Images a second lately, of a running job; 0 of one that stands still.

        One that was not watched until now has the mean of its time in work.
        """
        succeeded = job.counts.succeeded
        if not worked or not succeeded:
            return 0.0
        first, last = self._note(job.id, _Sample(now, succeeded))
        idle = now - last.at if succeeded == last.succeeded else 0.0
        if idle >= max(_WINDOW_SECONDS, _PATIENCE * (last.at - first.at)):
            return 0.0
        if succeeded == first.succeeded or now - first.at < _MIN_SPAN_SECONDS:
            return succeeded / worked
        return (succeeded - first.succeeded) / (now - first.at)

    def _note(self, job_id: str, sample: _Sample) -> tuple[_Sample, _Sample]:
        """Add a sample; return the one that the rate counts from, and the last one of another count or time."""
        with self._lock:
            samples = self._samples.setdefault(job_id, deque())
            self._samples.move_to_end(job_id)
            while len(self._samples) > _MAX_JOBS:
                self._samples.popitem(last=False)
            # Less than before: the job was retried, and starts again.
            if samples and sample.succeeded < samples[-1].succeeded:
                samples.clear()
            # A claim's images end together: one whose end is not in the window yet makes it longer.
            while (
                len(samples) > 1
                and samples[1].at <= sample.at - _WINDOW_SECONDS
                and samples[1].succeeded < sample.succeeded
            ):
                samples.popleft()
            last = samples[-1] if samples else sample
            if not samples or (sample.succeeded > last.succeeded and sample.at - last.at >= _SAMPLES_EVERY_SECONDS):
                samples.append(sample)
            return samples[0], last
