"""Notices that hints do not reach this worker: its readiness then says so, and so does its log."""

import logging
from collections.abc import Callable

from shared.errors import ConfigurationError, Retryable
from worker.looking import LOOKS_WITHIN_LIMIT, Looking

log = logging.getLogger(__name__)


class HintWatch(Looking):
    """Compares what waits with what this worker is given; `working` notes that a hint came, and is worked on.

    A worker that takes none of the hints looks alive: it reports itself.

    Args:
        limit: seconds that an idle worker may go without a hint while work waits.
        work_waits: whether there is work that nobody has begun.
    """

    def __init__(self, limit: float, work_waits: Callable[[], bool]) -> None:
        super().__init__(limit, "hint-watch")
        self._work_waits = work_waits

    @property
    def gets_hints(self) -> bool:
        """Whether hints reach this worker, as far as one can tell."""
        return self._in_vain <= LOOKS_WITHIN_LIMIT

    def look(self) -> bool:
        """Ask whether work waits, where none is in work here."""
        waits = not self._in_work and self._does_work_wait()
        with self._lock:
            self._in_vain = self._in_vain + 1 if waits and not self._in_work else 0
            begins = self._in_vain == LOOKS_WITHIN_LIMIT + 1
        if begins:
            log.error(
                "no hint has come for %g s though work waits: is a reconciler running, and does this worker listen to "
                "the queue that it fills? If so, start this worker afresh", self._limit, extra={"action": "no_hints"},
            )  # fmt: skip
        return True

    def _does_work_wait(self) -> bool:
        try:
            return self._work_waits()
        except (Retryable, ConfigurationError):
            return False  # an outage, which readiness tells by itself
