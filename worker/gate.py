"""A readers–writer gate over a process: ordinary work shares it, a quarantined image gets it alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Gate:
    """Many threads may be inside `shared`, or one inside `alone`; those who wait for `alone` go first.

    An image that ends the process takes down whatever runs beside it. So items that were running when a worker
    crashed are run alone: only the guilty one uses up attempts from then on.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._sharing = 0
        self._alone = False
        self._waiting_alone = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Be inside with others; waits while somebody is, or wants to be, alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting_alone)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside alone; waits until all others have left, and lets nobody in meanwhile."""
        with self._changed:
            self._waiting_alone += 1
            try:
                self._changed.wait_for(lambda: not self._alone and not self._sharing)
                self._alone = True
            finally:
                self._waiting_alone -= 1
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
