"""What claims tell the log and the metrics."""

import logging
import time
from dataclasses import dataclass

from shared.errors import ItemErrorCode
from shared.jobs import metrics
from shared.jobs.state import ItemStatus

log = logging.getLogger(__name__)

_STRANGERS_SECONDS = 60.0  # between two warnings


@dataclass(frozen=True)
class Overdue:
    """Items of a shard whose lease had run out: those that may be tried again, and those without an attempt left."""

    retried: int
    failed: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.retried + self.failed

    def report(self, job_id: str, shard_id: str) -> None:
        """Log and count them, once the transaction is through."""
        if not self.total:
            return
        ids = {"action": "leases_expired", "job": job_id, "shard": shard_id}
        log.info("leases ran out: %d images are tried again, %d have failed", self.retried, self.failed, extra=ids)
        metrics.LEASE_EXPIRIES.labels("retried").inc(self.retried)
        if self.failed:
            metrics.LEASE_EXPIRIES.labels("failed").inc(self.failed)
            metrics.IMAGES.labels(ItemStatus.FAILED.value).inc(self.failed)
            metrics.FAILURES.labels(ItemErrorCode.WORKER_CRASHED.value).inc(self.failed)


class Strangers:
    """Hints of shards that are not in this database, told once in a while."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def report(self) -> None:
        """Tell of one, unless one was told of just now."""
        if time.monotonic() < self._silent_until:
            return
        self._silent_until = time.monotonic() + _STRANGERS_SECONDS
        log.warning(
            "a hint names no shard of this database: its job was removed, or another stack shares the Redis database;"
            " give each a number of its own in BROKER_URL, such as /1", extra={"action": "hint_of_a_stranger"},
        )  # fmt: skip
