"""A thread that looks now and then whether something has stood still for too long."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

LOOKS_WITHIN_LIMIT = 20


class Looking(ABC):
    """Looks twenty times within a limit, in a thread of its own, and counts the looks in vain.

    Time is counted in looks, not on a clock: a machine that was asleep, or a process that was stopped, has lost one.

    Args:
        limit: seconds.
        name: of the thread.
    """

    def __init__(self, limit: float, name: str) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._in_work = 0
        self._in_vain = 0  # looks
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> bool:
        """Look once; return whether to go on."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Note that something is in work meanwhile; looks count anew at its beginning and its end."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._in_work += change
            self._in_vain = 0

    def _watch(self) -> None:
        while not self._stop.wait(self._limit / LOOKS_WITHIN_LIMIT):
            if not self.look():
                return
