"""A shard from its hint to its committed results."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_all,
    stop_before_delay,
    stop_when_event_set,
    wait_exponential,
)

from shared.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    DelineateError,
    DeviceFailed,
    ImageOutOfMemory,
    ItemError,
    Retryable,
)
from shared.jobs.records import Claim, Failure, Outcome
from shared.jobs.state import ItemStatus
from shared.logs import log_ids
from shared.services import Services
from worker import metrics
from worker.gate import Gate
from worker.items import ItemProcessor
from worker.leases import ClaimOver, HeldClaim, Leases
from worker.model_cache import ModelCache, ServedModel
from worker.outcomes import result_keys
from worker.priority_lane import PriorityLane
from worker.throughput import ThroughputMeter
from worker.watchdog import Watchdog

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long a finished claim of a worker that is to stop waits for a database in an outage, in leases. Otherwise it waits
# for as long as it takes: it cannot lose its items to anybody before the database is back, and then the token decides.
_PATIENCE_IN_LEASES = 3
_MAX_URGENT_IMAGES = 4  # in flight at once, beside those that they go before
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.2, 5.0


@dataclass(frozen=True)
class Processed:
    """What became of a claim's items; those that are not among the outcomes are released."""

    outcomes: list[Outcome]
    unavailable: DelineateError | None = None  # why some have none, the first of several errors
    oversized: frozenset[str] = frozenset()  # ids of items that did not fit in memory, or on the disk
    lasting: ItemError | None = None  # what these fail with, if they never fit


class Pipeline:
    """Claims the items of a shard, has them processed, and commits what became of them.

    Args:
        services: database, queue and store.
        items: processes one item.
        models: gives the model of a claim's job.
        leases: keeps the claims alive.
        watchdog: is told of claims in work, and of items that end.
        meter: likewise.
        threads: items that can be in flight at once, those included that wait for the network.
        worker: name of this process in the items' rows.
        sleep: waits so many seconds for a database in an outage.
    """

    def __init__(
        self,
        services: Services,
        items: ItemProcessor,
        models: ModelCache,
        leases: Leases,
        watchdog: Watchdog,
        meter: ThroughputMeter,
        *,
        threads: int,
        worker: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._services = services
        self._items = items
        self._models = models
        self._leases = leases
        self._watchdog = watchdog
        self._meter = meter
        self._worker = worker
        self._gate = Gate()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="item")
        self._urgent_pool = ThreadPoolExecutor(_MAX_URGENT_IMAGES, thread_name_prefix="urgent")
        self._priority_lane = PriorityLane(
            services.queue.listener(),
            least_urgent=leases.least_urgent_shard,
            more_urgent=services.dispatcher.more_urgent,
            run=self._run_beside,
        )
        self._stopping = Event()
        patience = _PATIENCE_IN_LEASES * services.claims.lease_seconds
        self._outlast_outages = Retrying(
            retry=retry_if_exception_type(DatabaseUnavailable),
            wait=wait_exponential(multiplier=_FIRST_PAUSE_SECONDS, max=_MAX_PAUSE_SECONDS),
            stop=stop_all(stop_when_event_set(self._stopping), stop_before_delay(patience)),
            before_sleep=lambda _state: watchdog.progress(),
            retry_error_callback=_drop,
            sleep=sleep,
        )

    def process_shard(self, shard_id: str) -> None:
        """Work on a shard until it has nothing more to claim. No known error leaves it: the log has them."""
        with log_ids(shard=shard_id):
            self._process_shard(shard_id)

    def _process_shard(self, shard_id: str) -> None:
        try:
            while not self._stopping.is_set():
                claim = self._run_urgent(shard_id) or self._run_next(shard_id)
                if claim is None:
                    break
                self._services.repository.close_if_finished(claim.job_id)
            self._services.dispatcher.fill()
        except (Retryable, ConfigurationError) as error:
            # The rows are as they should be, or their lease runs out: the reconciler goes on from there.
            log.warning("left to the reconciler: %s", error, extra={"action": "shard_left"})

    def stop_claiming(self) -> None:
        """Let shards in work end after their present claim."""
        self._stopping.set()

    def close(self) -> None:
        """End the threads, once no shard is in work but what the priority lane has."""
        self._priority_lane.close()
        self._urgent_pool.shutdown()
        self._pool.shutdown()
        self._items.close()

    def _run_urgent(self, shard_id: str) -> Claim | None:
        """Run what must not wait behind the hints of a larger job: between two claims, with all threads."""
        urgent = self._services.dispatcher.more_urgent(shard_id)
        return None if urgent is None else self._run_next(urgent)

    def _run_beside(self, shard_id: str) -> bool:
        """Run a claim of this shard beside those in work; return whether there was one."""
        if self._stopping.is_set():
            return False
        claim = self._run_ordinary(shard_id)
        if claim is not None:
            self._services.repository.close_if_finished(claim.job_id)
        return claim is not None

    def _run_next(self, shard_id: str) -> Claim | None:
        return self._run_ordinary(shard_id) or self._run_quarantined(shard_id)

    def _run_ordinary(self, shard_id: str) -> Claim | None:
        with self._gate.shared():
            claim = self._services.claims.claim(shard_id, worker=self._worker)
            if claim is not None:
                self._run(claim)
            return claim

    def _run_quarantined(self, shard_id: str) -> Claim | None:
        """Run one item that was in work when a worker crashed, with nothing beside it that it could take down."""
        if not self._services.claims.has_quarantined(shard_id):
            return None
        with self._gate.alone():
            claim = self._services.claims.claim(shard_id, worker=self._worker, quarantined=True)
            if claim is not None:
                with log_ids(job=claim.job_id, shard=shard_id, item=claim.items[0].id):
                    log.info("a quarantined image runs alone", extra={"action": "quarantined_runs"})
                self._run(claim)
            return claim

    def _run(self, claim: Claim) -> None:
        # Its own ids, which need not be those of the hint.
        with log_ids(job=claim.job_id, shard=claim.shard_id):
            self._run_claim(claim)

    def _run_claim(self, claim: Claim) -> None:
        started = time.monotonic()
        with self._meter.working(), self._watchdog.watching(), self._leases.hold(claim) as held:
            processed = self._process(held)
            # One transaction for the claim. Without outcomes too: the job may have been cancelled.
            with metrics.COMMIT.time():
                ended = self._persist(lambda: self._services.claims.complete(claim, processed.outcomes)) or {}
            self._release_rest(claim, processed)
        self._leases.count_finished(len(ended))
        metrics.count_ended(processed.outcomes, ended)
        self._delete_cancelled(claim, ended)
        seconds = time.monotonic() - started
        log.info(
            "%d of %d items ended in %.2f s (%.1f/s)%s",
            len(ended), len(claim.items), seconds, len(ended) / seconds, f": {held.over}" if held.over else "",
            extra={"action": "claim_ended"},
        )  # fmt: skip

    def _process(self, held: HeldClaim) -> Processed:
        """Process all items of a claim."""
        claim = held.claim
        try:
            with self._models.using(claim.model) as model:
                return self._process_with(model, held)
        except ItemError as error:
            log.error("all of a claim fails: %s", error, extra={"action": "model_unavailable"})  # noqa: TRY400
            return Processed([Failure(item.id, error.code, str(error), seconds=0.0) for item in claim.items])
        except (Retryable, ConfigurationError) as error:
            self._note_loss(error)
            return Processed([], unavailable=error)

    def _process_with(self, model: ServedModel, held: HeldClaim) -> Processed:
        outcomes: list[Outcome] = []
        unavailable: DelineateError | None = None
        oversized: set[str] = set()
        lasting: ItemError | None = None
        pool = self._urgent_pool if held.is_urgent else self._pool
        futures: dict[Future[Outcome], str] = {
            pool.submit(self._items.process, item, held, model): item.id for item in held.claim.items
        }
        for future in as_completed(futures):
            self._watchdog.progress()
            try:
                outcomes.append(future.result())
                self._meter.image_ended()
            except ClaimOver:
                continue
            except (Retryable, ConfigurationError) as error:
                if isinstance(error, ImageOutOfMemory):
                    oversized.add(futures[future])
                    lasting = lasting or error.lasting
                self._note_loss(error)
                unavailable = unavailable or error
                held.end(str(error))
        return Processed(outcomes, unavailable, frozenset(oversized), lasting)

    def _note_loss(self, error: DelineateError) -> None:
        """Take nothing more where the device is lost; the process ends when its claims are released."""
        if isinstance(error, DeviceFailed):
            self.stop_claiming()
            self._watchdog.device_lost(error)

    def _release_rest(self, claim: Claim, processed: Processed) -> None:
        """Release what has no outcome, where something was unavailable."""
        unavailable, oversized = processed.unavailable, processed.oversized
        if unavailable is None:
            return
        lasting = processed.lasting
        released = (
            self._persist(lambda: self._services.claims.release(claim, oversized=oversized, lasting=lasting)) or 0
        )
        metrics.RELEASES.labels(type(unavailable).__name__).inc(released)
        log.warning("%d items released: %s", released, unavailable, extra={"action": "claim_released"})

    def _persist(self, write: Callable[[], T]) -> T | None:
        """Write to the database, waiting for it in an outage; None where the worker is to stop before that."""
        return self._outlast_outages(write)

    def _delete_cancelled(self, claim: Claim, ended: dict[str, ItemStatus]) -> None:
        unwanted = [
            key for item in claim.items if ended.get(item.id) is ItemStatus.CANCELLED for key in result_keys(item)
        ]
        if unwanted:
            self._services.store.delete(unwanted)


def _drop(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.error("work dropped: %s", error, extra={"action": "work_dropped"})
