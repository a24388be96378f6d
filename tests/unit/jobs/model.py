"""What jobs, shards and items should look like: the rules of docs/states.md, without SQL.

The state machine in `test_machine.py` does each thing to the database and to this model, and compares the two.
"""

from collections import Counter
from dataclasses import dataclass, field

from shared.jobs.state import ItemStatus, JobStatus

OPEN = (ItemStatus.PENDING, ItemStatus.RUNNING)


@dataclass
class ModelItem:
    """An item: where it is, who holds it, who brought its result."""

    id: str
    number: int
    has_source: bool
    state: ItemStatus
    attempts: int = 0
    quarantined: bool = False
    token: str | None = None
    overdue: bool = False  # its lease has run out
    result_of: str | None = None  # the token under which it succeeded

    def end(self, state: ItemStatus) -> None:
        """Move to a state without a claim."""
        self.state, self.token, self.overdue = state, None, False


@dataclass
class ModelShard:
    """A shard: its items, and whether it rests after a release."""

    id: str
    job: "ModelJob"
    items: list[ModelItem]
    resting: bool = False

    def held(self, token: str) -> list[ModelItem]:
        """Return what a claim still holds."""
        return [item for item in self.items if item.token == token]

    def free_overdue(self, max_attempts: int) -> int:
        """Free or fail what is overdue; of a cancelled job nothing stays pending. Return how many were overdue."""
        overdue = [item for item in self.items if item.overdue]
        for item in overdue:
            exhausted = item.attempts >= max_attempts
            item.end(ItemStatus.FAILED if exhausted else ItemStatus.PENDING)
            item.quarantined = item.quarantined or not exhausted
        if self.job.cancel_requested:
            self.cancel_pending()
        return len(overdue)

    def cancel_pending(self) -> None:
        """End everything that waits."""
        for item in self.items:
            if item.state is ItemStatus.PENDING:
                item.end(ItemStatus.CANCELLED)

    def take(self, quarantined: bool) -> list[ModelItem]:
        """Return the items that a claim gets: all ordinary ones, or the one quarantined with the fewest attempts."""
        if self.resting:
            return []
        free = [item for item in self.items if item.state is ItemStatus.PENDING and item.quarantined is quarantined]
        return sorted(free, key=lambda item: (item.attempts, item.number))[:1] if quarantined else free


@dataclass
class ModelJob:
    """A job with its shards."""

    id: str
    state: JobStatus = JobStatus.QUEUED
    sealed: bool = False
    cancel_requested: bool = False
    abandoned: bool = False  # cancelled before all of it was there, so that it never succeeds
    shards: list[ModelShard] = field(default_factory=list)

    @property
    def items(self) -> list[ModelItem]:
        """All items by number."""
        return [item for shard in self.shards for item in shard.items]

    @property
    def takes_items(self) -> bool:
        """Whether a submission can go on."""
        return not self.sealed and not self.cancel_requested

    def close(self) -> JobStatus | None:
        """End if all items have ended; return the final state reached now."""
        count = Counter(item.state for item in self.items)
        if self.state.is_final or not self.sealed or any(count[state] for state in OPEN):
            return None
        if self.abandoned or (self.cancel_requested and (count[ItemStatus.CANCELLED] or not self.items)):
            self.state = JobStatus.CANCELLED
        elif not count[ItemStatus.FAILED]:
            self.state = JobStatus.SUCCEEDED
        else:
            self.state = JobStatus.PARTIAL if count[ItemStatus.SUCCEEDED] else JobStatus.FAILED
        return self.state

    def cancel(self) -> None:
        """Take a request to cancel."""
        self.abandoned = self.abandoned or not self.sealed
        self.cancel_requested = self.sealed = True
        for shard in self.shards:
            shard.cancel_pending()
        self.close()

    def retryable(self) -> list[ModelItem]:
        """Return the items that a retry opens again."""
        return [
            item for item in self.items if item.has_source and item.state in (ItemStatus.FAILED, ItemStatus.CANCELLED)
        ]

    def retry(self) -> None:
        """Open what did not succeed."""
        again = self.retryable()
        for shard in self.shards:
            shard.resting = shard.resting and not any(item in again for item in shard.items)
        for item in again:
            item.end(ItemStatus.PENDING)
            item.attempts, item.quarantined = 0, False
        if self.state.is_final:
            self.state, self.cancel_requested = JobStatus.QUEUED, False
