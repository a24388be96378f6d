"""Those who submit: each drives one job at a time from its submission to its end, whatever happens on the way."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from shared.errors import ConfigurationError, DelineateError, IllegalTransition, JobNotFound, Retryable, UsageError
from shared.flows.submission import submit_images
from shared.jobs.records import Priority
from shared.services import Services
from tests.faults.load import PlannedJob

T = TypeVar("T")

_PAUSE_SECONDS = 0.3
_SUBMITTER = "fault suite"


@dataclass
class DrivenJob:
    """What was submitted, and what was asked of it since."""

    planned: PlannedJob
    ids: list[str] = field(default_factory=list)  # several where the answer to the last step of submitting was lost
    cancel_asked: bool = False
    retried: bool = False
    waited: float = 0.0  # seconds from the submission to the end


class OutOfPatience(Exception):
    """Something did not come about by itself in bounded time."""


class Drivers:
    """Threads that take jobs from a list until they are told to stop, and then finish those that they have."""

    def __init__(self, services: Services) -> None:
        self.jobs: list[DrivenJob] = []
        self._services = services
        self._no_more = threading.Event()
        self._lock = threading.Lock()
        self._give_up_at: float | None = None
        self._threads: list[threading.Thread] = []
        self._unfinished: list[str] = []

    def start(self, jobs: Iterator[PlannedJob], *, pause: float = 0.0) -> None:
        """Add a driver, which rests for `pause` seconds after each job."""

        def run() -> None:
            while not self._no_more.is_set():
                with self._lock:
                    job = DrivenJob(next(jobs))
                    self.jobs.append(job)
                try:
                    self._drive(job)
                except (OutOfPatience, DelineateError) as error:
                    self._unfinished.append(f"{job.planned.name} ({', '.join(job.ids)}): {error}")
                self._no_more.wait(pause)

        thread = threading.Thread(target=run, name=f"driver-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def no_more(self) -> None:
        """Begin no further job."""
        self._no_more.set()

    def finish(self, patience: float) -> list[str]:
        """Wait up to `patience` seconds for all jobs to end; return those that did not, in words."""
        self._give_up_at = time.monotonic() + patience
        self.no_more()
        for thread in self._threads:
            thread.join()
        return self._unfinished

    def _drive(self, job: DrivenJob) -> None:
        began = time.monotonic()
        self._submit(job)
        if job.planned.cancel_after is not None:
            time.sleep(job.planned.cancel_after)
            job.cancel_asked = True
            for job_id in job.ids:
                self._steer(lambda job_id=job_id: self._services.repository.cancel(job_id))
        for job_id in job.ids:
            self._wait_for_end(job_id)
        job.waited = time.monotonic() - began
        if job.planned.retry:
            for job_id in job.ids:
                job.retried |= self._steer(lambda job_id=job_id: self._services.repository.retry(job_id))
                self._wait_for_end(job_id)

    def _submit(self, job: DrivenJob) -> None:
        key = f"{job.planned.name} {time.time_ns()}"

        def submit() -> None:
            submit_images(
                self._services,
                (item.source() for item in job.planned.items),
                name=job.planned.name,
                submitted_by=_SUBMITTER,
                submission_key=key,
                priority=Priority.HIGH if len(job.planned.items) == 1 else Priority.NORMAL,
                on_start=lambda job_id, resumed: None if resumed else job.ids.append(job_id),
            )

        self._patiently(submit)
        # One that was removed again because its submission failed at the very start is none.
        job.ids = [job_id for job_id in job.ids if self._patiently(lambda job_id=job_id: self._is_there(job_id))]

    def _is_there(self, job_id: str) -> bool:
        try:
            return bool(self._services.repository.job(job_id))
        except JobNotFound:
            return False

    def _steer(self, step: Callable[[], object]) -> bool:
        """Ask for a step of a job; return whether it was taken now. That it cannot be taken any more is no fault."""
        try:
            self._patiently(step)
        except (IllegalTransition, UsageError):
            return False
        return True

    def _wait_for_end(self, job_id: str) -> None:
        while not self._patiently(lambda: self._services.repository.job(job_id)).state.is_final:
            self._rest(f"it is {self._patiently(lambda: self._services.repository.job(job_id))}")

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call again while a service is away, as whoever gets that line is told to do."""
        while True:
            try:
                return call()
            except (Retryable, ConfigurationError) as error:
                self._rest(str(error))

    def _rest(self, reason: str) -> None:
        if self._give_up_at is not None and time.monotonic() > self._give_up_at:
            raise OutOfPatience(reason)
        time.sleep(_PAUSE_SECONDS)
