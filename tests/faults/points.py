"""Named points in the code of the parts at which a fault can be armed.

A file in a folder arms a point; the first process that gets there takes the file away and does what it says. So one
strike hits one process, and a point that is not armed costs one failed `open`. A device that is lost is lost to the
process that was struck, for good: each later use of it fails as torch says it of a GPU.
"""

import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from shared.errors import DeviceOutOfMemory


class Point(StrEnum):
    """Where a part can be struck."""

    BEFORE_CLAIM = "before-claim"
    IN_BATCH = "in-batch"
    AFTER_PUT = "after-put"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    PUBLISHING = "publishing"


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    while True:
        time.sleep(3600)


def _run_out_of_memory() -> None:
    raise DeviceOutOfMemory("a batch does not fit in memory: the fault suite says so")


class Strike(StrEnum):
    """What happens to the process that comes to the point."""

    KILL = "kill"
    HANG = "hang"
    OUT_OF_MEMORY = "out-of-memory"
    LOSE_DEVICE = "lose-device"


class Points:
    """The points of all parts of one world, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._device_is_lost = False
        self._effects: dict[Strike, Callable[[], None]] = {
            Strike.KILL: _kill,
            Strike.HANG: _hang,
            Strike.OUT_OF_MEMORY: _run_out_of_memory,
            Strike.LOSE_DEVICE: self._lose_device,
        }
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: Point, strike: Strike) -> None:
        """Let the next process that comes to the point be struck; a point that is armed already stays as it is."""
        (self._folder / f".{point}").write_text(strike)
        (self._folder / f".{point}").replace(self._folder / point)

    def disarm(self) -> list[Point]:
        """Let nobody be struck any more; return the points that nobody came to."""
        missed = []
        for point in Point:
            try:
                (self._folder / point).unlink()
            except FileNotFoundError:
                continue
            missed.append(point)
        return missed

    def reach(self, point: Point) -> None:
        """Called by a part that comes to the point; may not return."""
        file = self._folder / point
        try:
            strike = Strike(file.read_text())
            file.unlink()  # of several who come at once, one
        except FileNotFoundError:
            return
        self._effects[strike]()

    def use_device(self) -> None:
        """Called by a part that uses the device of its network.

        Raises:
            RuntimeError: it is lost to this process.
        """
        if self._device_is_lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered (the fault suite says so)")

    def _lose_device(self) -> None:
        self._device_is_lost = True
