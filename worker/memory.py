"""A bound on the pixels in flight, which keeps the process's memory flat whatever the images' sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class PixelBudget:
    """At most `pixels` pixels of decoded images at once; an image larger than that goes through by itself."""

    def __init__(self, pixels: int) -> None:
        self._total = pixels
        self._free = pixels
        self._freed = Condition()
        self._turn = Lock()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Hold `pixels` of the budget; waits until they are free."""
        cost = min(pixels, self._total)
        # One waits at a time, the others behind it: small images cannot overtake a large one for ever.
        with self._turn, self._freed:
            self._freed.wait_for(lambda: self._free >= cost)
            self._free -= cost
        try:
            yield
        finally:
            with self._freed:
                self._free += cost
                self._freed.notify_all()
