"""The states of jobs and items, and every step between them. Pure: no SQL, no clock.

docs/states.md draws these tables and is tested against them. The repository writes a state only by a
compare-and-set built from a `Step`: `WHERE state IN step.sources` … `SET state = step.target`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from shared.errors import IllegalTransition


class JobKind(StrEnum):
    """Where a job's images come from."""

    IMAGES = "images"  # sources uploaded by the producer or through the admin
    SYNTHETIC = "synthetic"  # generated in the worker from a seed, and scored against their truth


class JobStatus(StrEnum):
    """State of a job."""

    QUEUED = "queued"  # accepted; no worker has claimed any of its items yet
    RUNNING = "running"  # at least one of its items has been claimed
    SUCCEEDED = "succeeded"  # every item succeeded
    FAILED = "failed"  # every item failed
    PARTIAL = "partial"  # finished: some items succeeded and some failed
    CANCELLED = "cancelled"  # cancelled before it could finish

    @property
    def is_final(self) -> bool:
        """Whether the job has ended (a retry may open it again)."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class ItemStatus(StrEnum):
    """State of an item, one image of a job."""

    PENDING = "pending"  # waits for a claim
    RUNNING = "running"  # claimed by a worker that holds its lease
    SUCCEEDED = "succeeded"  # mask, probability map and result row are all there
    FAILED = "failed"  # carries an error code and a one-line reason
    CANCELLED = "cancelled"  # its job was cancelled first

    @property
    def is_final(self) -> bool:
        """Whether the item has ended (a retry may open it again)."""
        return self not in (ItemStatus.PENDING, ItemStatus.RUNNING)


class ItemEvent(StrEnum):
    """What can happen to an item."""

    CLAIM = "claim"  # a worker takes it: attempts go up, a token and a lease are written
    COMPLETE = "complete"  # its results are stored
    FAIL = "fail"  # it cannot be processed
    RELEASE = "release"  # the worker gives it back because the world is away; the attempt is not counted
    EXPIRE = "expire"  # its lease ran out: the worker crashed or hangs
    EXHAUST = "exhaust"  # its lease ran out and no attempt is left
    CANCEL = "cancel"  # its job is cancelled
    RETRY = "retry"  # somebody asks for what did not succeed to be done again
    REDO = "redo"  # a repair found an object of its result gone, and its source there
    LOSE = "lose"  # a repair found an object of its result gone, and nothing to make it from again


class JobEvent(StrEnum):
    """What can happen to a job."""

    START = "start"  # first claim
    SUCCEED = "succeed"  # ended, all items succeeded
    FAIL = "fail"  # ended, all items failed
    PART = "part"  # ended, some failed
    CANCEL = "cancel"  # ended after a request to cancel
    RETRY = "retry"  # what did not succeed is done again
    REOPEN = "reopen"  # a repair found that its items do not say what it says


Status = TypeVar("Status", bound=StrEnum)


@dataclass(frozen=True)
class Step(Generic[Status]):
    """One arrow of a transition table: from any of `sources` to `target`."""

    sources: tuple[Status, ...]
    target: Status


ITEM_STEPS: Mapping[ItemEvent, Step[ItemStatus]] = {
    ItemEvent.CLAIM: Step((ItemStatus.PENDING,), ItemStatus.RUNNING),
    ItemEvent.COMPLETE: Step((ItemStatus.RUNNING,), ItemStatus.SUCCEEDED),
    ItemEvent.FAIL: Step((ItemStatus.RUNNING,), ItemStatus.FAILED),
    ItemEvent.RELEASE: Step((ItemStatus.RUNNING,), ItemStatus.PENDING),
    ItemEvent.EXPIRE: Step((ItemStatus.RUNNING,), ItemStatus.PENDING),
    ItemEvent.EXHAUST: Step((ItemStatus.RUNNING,), ItemStatus.FAILED),
    ItemEvent.CANCEL: Step((ItemStatus.PENDING, ItemStatus.RUNNING), ItemStatus.CANCELLED),
    ItemEvent.RETRY: Step((ItemStatus.FAILED, ItemStatus.CANCELLED), ItemStatus.PENDING),
    ItemEvent.REDO: Step((ItemStatus.SUCCEEDED,), ItemStatus.PENDING),
    ItemEvent.LOSE: Step((ItemStatus.SUCCEEDED,), ItemStatus.FAILED),
}

_OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)

JOB_STEPS: Mapping[JobEvent, Step[JobStatus]] = {
    JobEvent.START: Step((JobStatus.QUEUED,), JobStatus.RUNNING),
    JobEvent.SUCCEED: Step(_OPEN, JobStatus.SUCCEEDED),
    JobEvent.FAIL: Step(_OPEN, JobStatus.FAILED),
    JobEvent.PART: Step(_OPEN, JobStatus.PARTIAL),
    JobEvent.CANCEL: Step(_OPEN, JobStatus.CANCELLED),
    JobEvent.RETRY: Step((JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED), JobStatus.QUEUED),
    JobEvent.REOPEN: Step(
        (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED), JobStatus.QUEUED
    ),
}


def after_job_event(state: JobStatus, event: JobEvent) -> JobStatus:
    """Return the state that `event` leads to from `state`.

    Raises:
        IllegalTransition: the table has no such step.
    """
    step = JOB_STEPS[event]
    if state not in step.sources:
        raise IllegalTransition(f"cannot {event} a {state} job")
    return step.target


@dataclass(frozen=True)
class ItemCounts:
    """How many items of a job or shard are in each state."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.pending + self.running + self.finished

    @property
    def finished(self) -> int:
        """Items in a final state."""
        return self.succeeded + self.failed + self.cancelled


def closing_event(counts: ItemCounts, *, cancel_requested: bool, is_abandoned: bool = False) -> JobEvent | None:
    """Return the event that ends a job with these counts, or None while items are still open.

    `is_abandoned`: it was ended before its submission was complete. What nobody has all images of never succeeds.
    """
    if counts.pending or counts.running:
        return None
    if is_abandoned:
        return JobEvent.CANCEL
    # A cancel that came after the last item had ended changes nothing.
    if cancel_requested and (counts.cancelled or not counts.total):
        return JobEvent.CANCEL
    if not counts.failed:
        return JobEvent.SUCCEED
    return JobEvent.PART if counts.succeeded else JobEvent.FAIL
