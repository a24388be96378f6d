"""One child process, in a session of its own, that never outlives its supervisor."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from admin.standalone.backoff import Backoff
from admin.standalone.output import Output

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec as little as possible may happen.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Part:
    """What to run. `stop_seconds` is how long it may take to end after SIGTERM."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a `preexec_fn` after which the kernel sends `how` when the parent ends, by kill -9 too. Linux only.

    It holds for the thread that forks, so children are started from the main thread; and as the supervisor has
    no other thread, running Python between fork and exec is safe.
    """
    if _libc is None:
        return None
    prctl = _libc.prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(how))


class Child:
    """A part and the process that runs it at present, if one does."""

    def __init__(self, part: Part, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self.part = part
        self.output = output
        self.restart_at: float | None = None
        self.started_at = 0.0
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, or None where nothing runs."""
        return self._process.pid if self._process else None

    @property
    def descriptor(self) -> int | None:
        """The file descriptor on which the process's output arrives, or None where nothing runs."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the system cannot.
        """
        self.output.start_life()
        self.restart_at = None
        self.started_at = self._clock()
        self._process = subprocess.Popen(  # noqa: S603 - the commands are our own parts
            self.part.command,
            env=self.part.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops its children in order
            preexec_fn=die_with_parent(),
        )
        if self.descriptor is not None:
            os.set_blocking(self.descriptor, False)

    def read(self) -> bool:
        """Take the output that is there; False when there will be no more."""
        while self.descriptor is not None:
            try:
                data = os.read(self.descriptor, 65536)
            except BlockingIOError:
                return True
            if not data:
                break
            self.output.feed(data)
        return False

    def has_ended(self) -> bool:
        """Whether the process has ended and waits for `bury`."""
        return self._process is not None and self._process.poll() is not None

    def bury(self) -> int:
        """Take the last output of a process that has ended and return its exit code, a signal's number negated."""
        process = self._process
        if process is None:
            raise RuntimeError(f"{self.part.name} has no process to bury")
        self.read()
        self.output.flush()
        self.signal_group(signal.SIGKILL)  # whatever it may have left behind in its session
        if process.stdout:
            process.stdout.close()
        self._process = None
        return process.wait()

    def lived(self) -> float:
        """Return the seconds since the last start."""
        return self._clock() - self.started_at

    def terminate(self) -> None:
        """Ask the process to finish what it does and end."""
        if self._process:
            self._process.terminate()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it started."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
