"""The watchdog: ends a process whose work has stopped moving.

Threads cannot be terminated. A call that hangs (a driver, a device, a socket without a time-out) would hold its
shard for ever, since its lease goes on being renewed. So the process ends itself; the supervisor starts it again,
the leases run out, and the items are tried again, one at a time.

Neither can a device be had back that is lost to the process, such as a GPU after an illegal access. There the claims
in work are released first, and no attempt is used up.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import DeviceFailed
from worker.looking import LOOKS_WITHIN_LIMIT, Looking

log = logging.getLogger(__name__)

EXIT_STUCK = 70  # EX_SOFTWARE of sysexits.h


def _end_process() -> None:
    os._exit(EXIT_STUCK)


class Watchdog(Looking):
    """Calls `on_stuck` once when claims are in work and nothing has progressed for `limit` seconds.

    Likewise when the device was lost, as soon as no claim is in work, or after as many looks.
    """

    def __init__(self, limit: float, on_stuck: Callable[[], None] = _end_process) -> None:
        super().__init__(limit, "watchdog")
        self._on_stuck = on_stuck
        self._device_lost = False

    @property
    def is_live(self) -> bool:
        """Whether it watches, or was told to stop: not where it found the process stuck, or broke."""
        return self._thread.is_alive() or self._stop.is_set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while a claim is in work."""
        try:
            with self.working():
                yield
        finally:
            with self._lock:
                at_once = self._device_lost and not self._in_work
            if at_once:
                self._on_stuck()

    def device_lost(self, error: DeviceFailed) -> None:
        """End the process once the claims in work, the caller's among them, are released."""
        with self._lock:
            if self._device_lost:
                return
            self._device_lost = True
            self._in_vain = 0
        log.critical("%s: this process ends", error, extra={"action": "device_lost"})

    def progress(self) -> None:
        """Note that something moved: a tile, an item, or a failure that was noticed."""
        with self._lock:
            if not self._device_lost:
                self._in_vain = 0

    def look(self) -> bool:
        """Count a look without progress while claims are in work, and end the process after too many."""
        with self._lock:
            self._in_vain = self._in_vain + 1 if self._in_work else 0
            stuck = self._in_vain > LOOKS_WITHIN_LIMIT
        if stuck:
            # With what every thread is at, which tells where it hangs.
            line = log.makeRecord(
                log.name, logging.CRITICAL, __file__, 0,
                "nothing has moved for %g s: this process ends, to be started afresh", (self._limit,), None,
                extra={"action": "watchdog_ends_process"}, sinfo=_stacks(),
            )  # fmt: skip
            log.handle(line)
            self._on_stuck()
        return not stuck


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = (
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
    return "\n".join(stacks)
