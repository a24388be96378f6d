"""The thread that runs what is urgent beside the claims that the process has in hand."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import BrokerUnavailable, ConfigurationError, DatabaseUnavailable
from shared.jobs.queue import UrgentListener
from shared.jobs.records import Claim

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5  # between two looks where no announcement comes


class Overtaking:
    """Looks, while claims are in work, for what is more urgent, and runs it at once.

    All threads that take shards may be busy for as long as a claim takes. This one takes none but urgent ones.

    Args:
        listener: hears when to look; where it cannot, every half second has to do.
        more_urgent: a shard that goes before the one that it is given.
        run: claims and runs what there is of a shard; whether there was anything.
    """

    def __init__(
        self, listener: UrgentListener, more_urgent: Callable[[str], str | None], run: Callable[[str], bool]
    ) -> None:
        self._listener = listener
        self._more_urgent = more_urgent
        self._run_shard = run
        self._in_work: dict[str, Claim] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overtaking", daemon=True)
        self._thread.start()

    @contextmanager
    def in_work(self, claim: Claim) -> Iterator[bool]:
        """Say that a claim is in work inside of this. Yields whether one of lower priority is, which it overtakes."""
        with self._lock:
            overtakes = any(each.priority < claim.priority for each in self._in_work.values())
            self._in_work[claim.token] = claim
        try:
            yield overtakes
        finally:
            with self._lock:
                del self._in_work[claim.token]

    def close(self) -> None:
        """End the thread, after the claim that it has in hand."""
        self._closed.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
                self._look()
            except (DatabaseUnavailable, ConfigurationError) as error:
                # Those who have the claims in hand meet the same, and say so.
                log.debug("no look for urgent work: %s", error)
            except Exception:
                # Without this thread urgent images would wait for the others: it never ends by an error.
                log.exception("looking for urgent work failed", extra={"action": "overtaking_fails"})
                self._closed.wait(_LOOK_SECONDS)

    def _listen(self) -> None:
        """Wait until somebody announces urgent work, or half a second."""
        try:
            self._listener.wait(_LOOK_SECONDS)
        except (BrokerUnavailable, ConfigurationError):
            self._closed.wait(_LOOK_SECONDS)

    def _look(self) -> None:
        """Run whatever is more urgent than the least urgent claim in work."""
        while (shard_id := self._least_urgent_shard()) and (urgent := self._more_urgent(shard_id)):
            if not self._run_shard(urgent):
                return

    def _least_urgent_shard(self) -> str | None:
        with self._lock:
            least = min(self._in_work.values(), key=lambda claim: claim.priority, default=None)
        return None if least is None or self._closed.is_set() else least.shard_id
