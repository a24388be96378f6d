"""The thread that runs what is urgent beside the claims that the process has in work."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from shared.errors import BrokerUnavailable, ConfigurationError, DatabaseUnavailable

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5  # between two looks where no announcement comes


class Listener(Protocol):
    """What the lane needs of a `shared.queue.celery_app.UrgentListener`."""

    def wait(self, seconds: float) -> bool:
        """Wait up to so many seconds for an announcement; return whether there was one."""

    def close(self) -> None:
        """Hear no more."""


class PriorityLane:
    """Looks, while claims are in work, for what is more urgent, and runs it at once.

    All threads that take shards may be busy for as long as a claim takes. This one takes none but urgent ones.

    Args:
        listener: hears when to look; where it cannot, every half second has to do.
        least_urgent: the shard in work that others are held against; None where nothing is in work.
        more_urgent: a shard that goes before the one that it is given.
        run: claims and runs what there is of a shard; whether there was anything.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        least_urgent: Callable[[], str | None],
        more_urgent: Callable[[str], str | None],
        run: Callable[[str], bool],
    ) -> None:
        self._listener = listener
        self._least_urgent = least_urgent
        self._more_urgent = more_urgent
        self._run_shard = run
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="priority-lane", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the claim that it has in work."""
        self._closed.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
                self._look()
            except (DatabaseUnavailable, ConfigurationError) as error:
                # Those who have the claims in work meet the same, and say so.
                log.debug("no look for urgent work: %s", error)
            except Exception:
                # Without this thread urgent images would wait for the others: it never ends by an error.
                log.exception("looking for urgent work failed", extra={"action": "priority_lane_fails"})
                self._closed.wait(_LOOK_SECONDS)

    def _listen(self) -> None:
        """Wait until somebody announces urgent work, or half a second."""
        try:
            self._listener.wait(_LOOK_SECONDS)
        except (BrokerUnavailable, ConfigurationError):
            self._closed.wait(_LOOK_SECONDS)

    def _look(self) -> None:
        """Run whatever is more urgent than the least urgent claim in work."""
        while not self._closed.is_set():
            in_work = self._least_urgent()
            urgent = None if in_work is None else self._more_urgent(in_work)
            if urgent is None or not self._run_shard(urgent):
                return
