"""Answers that hold much, or for long: so many at once for each account and in all; more are refused, not kept waiting.

A request that waits would hold a thread, and whoever sends enough of them all threads.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import Busy


class Gate:
    """Lets in so many at once of each account, and in all."""

    def __init__(self, *, of_each: int, in_all: int) -> None:
        self._of_each = of_each
        self._in_all = in_all
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    def enter(self, who: str) -> Callable[[], None]:
        """Let somebody in; return what lets them out, however often it is called.

        Raises:
            Busy: there is no room.
        """
        with self._lock:
            if self._inside[who] >= self._of_each or self._inside.total() >= self._in_all:
                raise Busy(f"{who} has as much in work as may be at once, or all have")
            self._inside[who] += 1
        left = threading.Event()

        def leave() -> None:
            with self._lock:
                if not left.is_set():
                    left.set()
                    self._inside[who] -= 1

        return leave

    @contextmanager
    def inside(self, who: str) -> Iterator[None]:
        """Let somebody in for a block.

        Raises:
            Busy: there is no room.
        """
        leave = self.enter(who)
        try:
            yield
        finally:
            leave()
