"""The thread that keeps claims alive, learns which of them are over, and reports the worker."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.db.tables.base import new_id
from shared.errors import ConfigurationError, DatabaseUnavailable
from shared.jobs.claims import Claims
from shared.jobs.records import Claim
from shared.jobs.workers import Memory, Performance, Workers
from worker import metrics

log = logging.getLogger(__name__)

_RENEWALS_A_LEASE = 4
# The reconciler waits for half a lease after an outage: whoever lives should have renewed by then.
_OUTAGE_PAUSE_SECONDS = 1.0


class ClaimOver(Exception):
    """No more work is wanted on this claim: it was lost, its job was cancelled, or a service is unavailable."""


@dataclass
class HeldClaim:
    """A claim in work. `over` says why to stop working on it, and is empty while the work goes on.

    `is_urgent` says that its images take the priority lane: they go before those of other claims in work.
    """

    claim: Claim
    is_urgent: bool
    over: str = field(default="", init=False)

    def end(self, reason: str) -> None:
        """Let the work on this claim stop at the next check; the first reason stays."""
        self.over = self.over or reason

    def check(self) -> None:
        """Go on, or end the work where it has to stop; called between tiles.

        Raises:
            ClaimOver: nobody wants the result any more.
        """
        if self.over:
            raise ClaimOver(self.over)


@dataclass(frozen=True)
class WorkerIdentity:
    """How a worker process appears in the table of workers."""

    name: str  # host and pid, for people
    device: str
    model: str  # sha256 of the weights
    id: str = field(default_factory=new_id)


class Leases:
    """Renews the leases of all claims in work, four times a lease.

    Args:
        claims: over a database of this thread's own, so that no other work's transaction holds a renewal up.
        workers: where the worker reports, likewise.
        performance: gives how fast it is.
        memory: gives what it takes.
    """

    def __init__(
        self,
        claims: Claims,
        workers: Workers,
        *,
        identity: WorkerIdentity,
        performance: Callable[[], Performance] = Performance,
        memory: Callable[[], Memory] = Memory,
    ) -> None:
        self._claims = claims
        self._workers = workers
        self._identity = identity
        self._performance = performance
        self._memory = memory
        self._held: dict[str, HeldClaim] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._database_unavailable = False
        self._images_finished = 0
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Report the worker and begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and take the worker out of the table."""
        self._stop.set()
        self._thread.join()
        try:
            self._workers.remove(self._identity.id)
        except DatabaseUnavailable as error:
            log.warning("the worker's row stays: %s", error, extra={"action": "worker_row_stays"})

    @contextmanager
    def hold(self, claim: Claim) -> Iterator[HeldClaim]:
        """Keep a claim alive inside of this; it is urgent where one of lower priority is held already."""
        with self._lock:
            held = HeldClaim(claim, any(each.claim.priority < claim.priority for each in self._held.values()))
            self._held[claim.token] = held
        try:
            yield held
        finally:
            with self._lock:
                del self._held[claim.token]

    def count_finished(self, images: int) -> None:
        """Report that so many images more have ended, well or not, since the process started."""
        with self._lock:
            self._images_finished += images

    def least_urgent_shard(self) -> str | None:
        """Return the shard of the claim of the lowest priority that is held; None where none is."""
        with self._lock:
            claims = [each.claim for each in self._held.values()]
        return min(claims, key=lambda claim: claim.priority).shard_id if claims else None

    def _run(self) -> None:
        while True:
            self._round()
            pause = self._claims.lease_seconds / _RENEWALS_A_LEASE
            if self._stop.wait(min(pause, _OUTAGE_PAUSE_SECONDS) if self._database_unavailable else pause):
                return

    def _round(self) -> None:
        """Renew and report; an outage of the database is logged once and waited out."""
        try:
            self._renew()
            identity = self._identity
            performance = self._performance()
            metrics.show(performance)
            self._workers.report(
                identity.id, name=identity.name, device=identity.device, model=identity.model,
                images=self._images_finished, performance=performance, memory=self._memory(),
            )  # fmt: skip
        except (DatabaseUnavailable, ConfigurationError) as error:
            metrics.RENEWAL_FAILURES.inc()
            if not self._database_unavailable:
                log.warning("leases are not renewed: %s", error, extra={"action": "renewal_fails"})
            self._database_unavailable = True
        except Exception:
            # Without renewals every claim of this process would be lost, so this thread never ends by an error.
            metrics.RENEWAL_FAILURES.inc()
            log.exception("a round of renewals failed", extra={"action": "renewal_fails"})
        else:
            self._database_unavailable = False

    def _renew(self) -> None:
        with self._lock:
            held = dict(self._held)
        if not held:
            return
        alive = self._claims.renew(held)
        cancelled = self._claims.cancelled_jobs({each.claim.job_id for each in held.values()})
        with self._lock:
            # Those that were completed while the statement ran are not lost.
            for token, each in self._held.items():
                if token in held and token not in alive:
                    if not each.over:
                        metrics.CLAIMS_LOST.inc()
                    each.end("the claim was lost: its lease ran out")
                elif each.claim.job_id in cancelled:
                    each.end("the job was cancelled")
