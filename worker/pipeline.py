"""A shard from its hint to its committed results."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from threading import Event, Lock
from typing import TypeVar

from shared.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    DelineateError,
    ImageOutOfMemory,
    ItemError,
    Retryable,
)
from shared.jobs.records import Claim, ClaimedItem, Failure, Outcome
from shared.jobs.state import ItemStatus
from shared.logs import log_ids
from shared.services import Services
from worker import metrics
from worker.gate import Gate
from worker.items import ItemProcessor, result_keys
from worker.leases import ClaimOver, HeldClaim, Leases
from worker.models import Models, ReadyModel
from worker.overtaking import Overtaking
from worker.speed import Speed
from worker.watchdog import Watchdog

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long a finished claim of a worker that is to stop waits for a database that is away, in leases. Otherwise it waits
# for as long as it takes: it cannot lose its items to anybody before the database is back, and then the token decides.
_PATIENCE_IN_LEASES = 3
_OVERTAKING_IMAGES = 4  # in flight at once, beside those that they overtake
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.2, 5.0


class Pipeline:
    """Claims the items of a shard, has them processed, and commits what became of them.

    Args:
        services: database, queue and store.
        items: processes one item.
        models: gives the model of a claim's job.
        leases: keeps the claims alive.
        watchdog: is told of claims in hand, and of items that end.
        speed: likewise.
        threads: items that can be in flight at once, those included that wait for the network.
        worker: name of this process in the items' rows.
    """

    def __init__(
        self,
        services: Services,
        items: ItemProcessor,
        models: Models,
        leases: Leases,
        watchdog: Watchdog,
        speed: Speed,
        *,
        threads: int,
        worker: str,
    ) -> None:
        self._services = services
        self._items = items
        self._models = models
        self._leases = leases
        self._watchdog = watchdog
        self._speed = speed
        self._worker = worker
        self._gate = Gate()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="item")
        self._overtaking_pool = ThreadPoolExecutor(_OVERTAKING_IMAGES, thread_name_prefix="urgent")
        self._overtaking = Overtaking(
            services.queue.listener(),
            least_urgent=leases.least_urgent_shard,
            more_urgent=services.dispatcher.more_urgent,
            run=self._run_beside,
        )
        self._stopping = Event()
        self._lock = Lock()
        self._images_finished = 0

    @property
    def images_finished(self) -> int:
        """Images that ended, well or not, since the process started."""
        return self._images_finished

    def process_shard(self, shard_id: str) -> None:
        """Work on a shard until it has nothing more to claim. Raises nothing that is known: the log has it."""
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
        """End the threads, once no shard is in work but what overtook others."""
        self._overtaking.close()
        self._overtaking_pool.shutdown()
        self._pool.shutdown()
        self._items.close()

    def _run_urgent(self, shard_id: str) -> Claim | None:
        """Run what must not wait behind the hints of a larger job: between two claims, with all threads."""
        urgent = self._services.dispatcher.more_urgent(shard_id)
        return None if urgent is None else self._run_next(urgent)

    def _run_beside(self, shard_id: str) -> bool:
        """Run a claim of this shard beside those in hand; whether there was one."""
        if self._stopping.is_set():
            return False
        claim = self._run_ordinary(shard_id)
        if claim is not None:
            self._services.repository.close_if_finished(claim.job_id)
        return claim is not None

    def _run_next(self, shard_id: str) -> Claim | None:
        return self._run_ordinary(shard_id) or self._run_suspect(shard_id)

    def _run_ordinary(self, shard_id: str) -> Claim | None:
        with self._gate.shared():
            claim = self._services.claims.claim(shard_id, worker=self._worker)
            if claim is not None:
                self._run(claim)
            return claim

    def _run_suspect(self, shard_id: str) -> Claim | None:
        """Run one item that was in work when a worker crashed, with nothing beside it that it could take down."""
        if not self._services.claims.has_suspects(shard_id):
            return None
        with self._gate.alone():
            claim = self._services.claims.claim(shard_id, worker=self._worker, suspects=True)
            if claim is not None:
                with log_ids(job=claim.job_id, shard=shard_id, item=claim.items[0].id):
                    log.info("a suspect runs alone", extra={"action": "suspect_runs"})
                self._run(claim)
            return claim

    def _run(self, claim: Claim) -> None:
        # Its own ids, which need not be those of the hint.
        with log_ids(job=claim.job_id, shard=claim.shard_id):
            self._run_claim(claim)

    def _run_claim(self, claim: Claim) -> None:
        started = time.monotonic()
        with self._speed.working(), self._watchdog.watching(), self._leases.hold(claim) as held:
            hungry: set[str] = set()
            outcomes, away = self._process(held, hungry)
            # One transaction for the claim. Without outcomes too: the job may have been cancelled.
            with metrics.COMMIT.time():
                ended = self._persist(lambda: self._services.claims.complete(claim, outcomes)) or {}
            if away:
                released = self._persist(lambda: self._services.claims.release(claim, hungry=hungry)) or 0
                metrics.RELEASES.labels(type(away).__name__).inc(released)
                log.warning("%d items released: %s", released, away, extra={"action": "claim_released"})
        self._count(len(ended))
        metrics.count_ended(outcomes, ended)
        self._delete_cancelled(claim, ended)
        seconds = time.monotonic() - started
        log.info(
            "%d of %d items ended in %.2f s (%.1f/s)%s",
            len(ended), len(claim.items), seconds, len(ended) / seconds, f": {held.over}" if held.over else "",
            extra={"action": "claim_ended"},
        )  # fmt: skip

    def _process(self, held: HeldClaim, hungry: set[str]) -> tuple[list[Outcome], DelineateError | None]:
        """Process all items of a claim; return the outcomes, and what was away so that some have none.

        The ids of items that did not fit in memory are added to `hungry`.
        """
        claim = held.claim
        try:
            with self._models.using(claim.model) as model:
                return self._process_with(model, held, hungry)
        except ItemError as error:
            log.error("all of a claim fails: %s", error, extra={"action": "model_unavailable"})  # noqa: TRY400
            return [Failure(item.id, error.code, str(error), seconds=0.0) for item in claim.items], None
        except (Retryable, ConfigurationError) as error:
            return [], error

    def _process_with(
        self, model: ReadyModel, held: HeldClaim, hungry: set[str]
    ) -> tuple[list[Outcome], DelineateError | None]:
        outcomes: list[Outcome] = []
        away: DelineateError | None = None
        pool = self._overtaking_pool if held.overtakes else self._pool
        futures: dict[Future[Outcome], ClaimedItem] = {
            pool.submit(self._items.process, item, held, model): item for item in held.claim.items
        }
        for future in as_completed(futures):
            self._watchdog.progress()
            try:
                outcomes.append(future.result())
                self._speed.image_ended()
            except ClaimOver:
                continue
            except (Retryable, ConfigurationError) as error:
                if isinstance(error, ImageOutOfMemory):
                    hungry.add(futures[future].id)
                away = away or error
                held.end(str(error))
        return outcomes, away

    def _persist(self, write: Callable[[], T]) -> T | None:
        """Write to the database, waiting for it while it is away; None where the worker is to stop before that."""
        give_up = time.monotonic() + _PATIENCE_IN_LEASES * self._services.claims.lease_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return write()
            except DatabaseUnavailable as error:
                if self._stopping.is_set() and time.monotonic() + pause > give_up:
                    log.error("work dropped: %s", error, extra={"action": "work_dropped"})  # noqa: TRY400
                    return None
            self._watchdog.progress()
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def _delete_cancelled(self, claim: Claim, ended: dict[str, ItemStatus]) -> None:
        unwanted = [
            key for item in claim.items if ended.get(item.id) is ItemStatus.CANCELLED for key in result_keys(item)
        ]
        if unwanted:
            self._services.store.delete(unwanted)

    def _count(self, images: int) -> None:
        with self._lock:
            self._images_finished += images
