"""The supervisor: one thread, one loop that reads what the children print, starts the dead again, stops in order."""

import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from admin.standalone.child import Child, Part
from admin.standalone.output import Output

_KILL_SECONDS = 5.0  # after SIGKILL; longer only where the kernel cannot let go of it
_STOP_TICK = 0.5


class Wakeup(Protocol):
    """Something readable that ends a wait early."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        ...

    def drain(self) -> None:
        """Take what there is to read, so that the next wait is a wait again."""
        ...


@dataclass(frozen=True)
class Death:
    """How a child ended; `code` is its exit code or a signal's number negated, `reason` its own last words."""

    name: str
    code: int
    reason: str

    def __str__(self) -> str:
        how = f"was killed by {signal.Signals(-self.code).name}" if self.code < 0 else f"ended with code {self.code}"
        return f"{self.name} {how}" + (f": {self.reason}" if self.reason else "")


class Supervisor:
    """Children in the order in which they were started; all calls from the main thread."""

    def __init__(
        self,
        *,
        logs: Path,
        say: Callable[[str], None],
        wakeup: Wakeup,
        on_change: Callable[[list[Child]], None] = lambda _children: None,
        on_death: Callable[[Death], None] = lambda _death: None,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`say` prints a line to the terminal; `on_change` hears of every start.

        `on_death` hears of every child that ends without being stopped; what it raises, `step` raises.
        """
        self.children: list[Child] = []
        self._logs = logs
        self._say = say
        self._on_change = on_change
        self._on_death = on_death
        self._verbose = verbose
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._selector.register(wakeup.fileno(), selectors.EVENT_READ, wakeup.drain)

    def start(self, part: Part) -> Child:
        """Start a part and keep it running from now on."""
        output = Output(part.name, self._logs, say=self._say, verbose=self._verbose)
        child = Child(part, output, self._clock)
        self.children.append(child)
        self._launch(child)
        return child

    def step(self, timeout: float) -> None:
        """Wait for something to happen, at most `timeout` seconds, and act."""
        due = [child.restart_at - self._clock() for child in self.children if child.restart_at is not None]
        self._listen(max(0.0, min([timeout, *due])))
        for child in self.children:
            if death := self._bury(child):
                self._on_death(death)
                delay = child.part.backoff.delay(child.lived())
                child.restart_at = self._clock() + delay
                self._say(f"{death}; starts again in {delay:g} s (log: {child.output.path})")
        for child in self.children:
            if child.restart_at is not None and child.restart_at <= self._clock():
                self._launch_again(child)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop the children one after the other, the last started first; once `hurry` says so, kill what is left."""
        hurried = False

        def is_hurried() -> bool:
            nonlocal hurried
            hurried = hurried or hurry()
            return hurried

        for child in self.children:
            child.restart_at = None
        for child in reversed(self.children):
            if child.pid is None:
                continue
            child.terminate()
            if self._wait_for_end(child, child.part.stop_seconds, is_hurried):
                continue
            child.signal_group(signal.SIGKILL)
            if not self._wait_for_end(child, _KILL_SECONDS):
                self._say(f"{child.part.name} (process {child.pid}) does not end, even when killed")
        for child in self.children:
            child.output.close()
        self._selector.close()

    def _launch(self, child: Child) -> None:
        child.start()
        if child.descriptor is not None:
            self._selector.register(child.descriptor, selectors.EVENT_READ, child.read)
        self._on_change(self.children)

    def _launch_again(self, child: Child) -> None:
        try:
            self._launch(child)
        except OSError as error:  # no memory or no process left just now
            child.restart_at = self._clock() + child.part.backoff.delay(0.0)
            self._say(f"{child.part.name} cannot be started: {error}")
        else:
            self._say(f"{child.part.name} started again")

    def _listen(self, timeout: float) -> None:
        for key, _events in self._selector.select(timeout):
            if key.data() is False:  # its output is closed; that it ended is seen in _bury
                self._selector.unregister(key.fd)

    def _bury(self, child: Child) -> Death | None:
        if not child.has_ended():
            return None
        if child.descriptor is not None and child.descriptor in self._selector.get_map():
            self._selector.unregister(child.descriptor)
        code = child.bury()
        # A process that was killed had no time to say why.
        return Death(child.part.name, code, child.output.last_words if code > 0 else "")

    def _wait_for_end(self, child: Child, seconds: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        deadline = self._clock() + seconds
        while not self._bury(child):
            left = deadline - self._clock()
            if left <= 0 or hurry():
                return False
            self._listen(min(left, _STOP_TICK))
        return True
