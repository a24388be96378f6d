"""Notices that hints do not reach this worker: its readiness then says so, and so does its log."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import ConfigurationError, Retryable

log = logging.getLogger(__name__)

_LOOKS_WITHIN_LIMIT = 20


class HintWatch:
    """Compares what waits with what this worker is given.

    A worker that takes none of the hints looks alive: it reports itself. Time is counted in looks,
    so that a machine that was asleep has lost one.

    Args:
        limit: seconds that an idle worker may go without a hint while work waits.
        work_waits: whether there is work that nobody has begun.
    """

    def __init__(self, limit: float, work_waits: Callable[[], bool]) -> None:
        self._limit = limit
        self._work_waits = work_waits
        self._lock = threading.Lock()
        self._in_work = 0
        self._in_vain = 0  # looks
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hint-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    @property
    def gets_hints(self) -> bool:
        """Whether hints reach this worker, as far as one can tell."""
        return self._in_vain <= _LOOKS_WITHIN_LIMIT

    @contextmanager
    def working(self) -> Iterator[None]:
        """Note that a hint came, and that the worker is at it."""
        with self._lock:
            self._in_work += 1
            self._in_vain = 0
        try:
            yield
        finally:
            with self._lock:
                self._in_work -= 1
                self._in_vain = 0

    def look(self) -> None:
        """Look once; the thread does so twenty times within the limit."""
        waits = not self._in_work and self._does_work_wait()
        with self._lock:
            self._in_vain = self._in_vain + 1 if waits and not self._in_work else 0
            begins = self._in_vain == _LOOKS_WITHIN_LIMIT + 1
        if begins:
            log.error(
                "no hint has come for %g s though work waits: is a reconciler running, and does this worker listen to "
                "the queue that it fills? If so, start this worker afresh", self._limit, extra={"action": "no_hints"},
            )  # fmt: skip

    def _does_work_wait(self) -> bool:
        try:
            return self._work_waits()
        except (Retryable, ConfigurationError):
            return False  # an outage, which readiness tells by itself

    def _watch(self) -> None:
        while not self._stop.wait(self._limit / _LOOKS_WITHIN_LIMIT):
            self.look()
