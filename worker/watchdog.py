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

log = logging.getLogger(__name__)

EXIT_STUCK = 70  # EX_SOFTWARE of sysexits.h

_LOOKS_WITHIN_LIMIT = 20


def _end_process() -> None:
    os._exit(EXIT_STUCK)


class Watchdog:
    """Calls `on_stuck` once when claims are in work and nothing has progressed for `limit` seconds.

    Likewise when the device was lost, as soon as no claim is in work, or after as many looks.

    Time is counted in looks of the watchdog's own thread, not on a clock: a machine that was asleep, or a process
    that was stopped, is not stuck.
    """

    def __init__(self, limit: float, on_stuck: Callable[[], None] = _end_process) -> None:
        self._limit = limit
        self._on_stuck = on_stuck
        self._lock = threading.Lock()
        self._in_work = 0
        self._looks_without_progress = 0
        self._device_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    @property
    def is_live(self) -> bool:
        """Whether it watches, or was told to stop: not where it found the process stuck, or broke."""
        return self._thread.is_alive() or self._stop.is_set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while a claim is in work."""
        with self._lock:
            self._in_work += 1
            self._looks_without_progress = 0
        try:
            yield
        finally:
            with self._lock:
                self._in_work -= 1
                self._looks_without_progress = 0
                at_once = self._device_lost and not self._in_work
            if at_once:
                self._on_stuck()

    def device_lost(self, error: DeviceFailed) -> None:
        """End the process once the claims in work, the caller's among them, are released."""
        with self._lock:
            if self._device_lost:
                return
            self._device_lost = True
            self._looks_without_progress = 0
        log.critical("%s: this process ends", error, extra={"action": "device_lost"})

    def progress(self) -> None:
        """Note that something moved: a tile, an item, or a failure that was noticed."""
        with self._lock:
            if not self._device_lost:
                self._looks_without_progress = 0

    def _watch(self) -> None:
        while not self._stop.wait(self._limit / _LOOKS_WITHIN_LIMIT):
            with self._lock:
                self._looks_without_progress = self._looks_without_progress + 1 if self._in_work else 0
                stuck = self._looks_without_progress > _LOOKS_WITHIN_LIMIT
            if stuck:
                # With what every thread is at, which tells where it hangs.
                line = log.makeRecord(
                    log.name, logging.CRITICAL, __file__, 0,
                    "nothing has moved for %g s: this process ends, to be started afresh", (self._limit,), None,
                    extra={"action": "watchdog_ends_process"}, sinfo=_stacks(),
                )  # fmt: skip
                log.handle(line)
                self._on_stuck()
                return


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = (
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
    return "\n".join(stacks)
