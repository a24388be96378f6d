"""What keeps the process's memory flat: a bound on the pixels in flight, and one heap for all threads."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Lock

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 256 * 2**20


def use_one_heap() -> None:
    """Have glibc serve all threads from one heap, and keep what is freed for the next batch; elsewhere do nothing.

    By itself it gives threads heaps of their own, between which freed memory does not move, and returns large blocks to
    the system, which then takes a fault a page to give them back. Call it before threads are started.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


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
