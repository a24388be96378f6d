"""Processes that are started again whenever they end, as compose's `restart: unless-stopped` does."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.config import CHECKOUT

_PAUSE_SECONDS = 0.5  # before it is started again
_LOOK_SECONDS = 0.1
_STOP_SECONDS = 20.0


@dataclass(eq=False)
class Process:
    """A part of the world: its command, and the process that runs it at present. Threads may share it."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    account: str | None = None
    starts: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._held = False
        self._restart_at = 0.0

    @property
    def pid(self) -> int | None:
        """Its process, or None while none runs."""
        with self._lock:
            return self._process.pid if self._process and self._process.poll() is None else None

    def look(self) -> None:
        """Start it, or start it again a moment after it ended."""
        with self._lock:
            if self._held or self.pid is not None:
                return
            if self._process is not None:
                self._process = None
                self._restart_at = time.monotonic() + _PAUSE_SECONDS
            if time.monotonic() >= self._restart_at:
                self._start()

    def down(self) -> None:
        """Kill it and keep it dead until `up`."""
        with self._lock:
            self._held = True
            self._end(signal.SIGKILL)

    def up(self) -> None:
        """Let it run again."""
        with self._lock:
            self._held = False

    def stop(self, how: signal.Signals) -> None:
        """End it and what it started, for good."""
        with self._lock:
            self._held = True
            self._end(how)

    def _start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=CHECKOUT if self.account is None else "/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.account,
                group=self.account,
                extra_groups=None if self.account is None else [],
            )
        self.starts += 1

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            os.kill(process.pid, how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_STOP_SECONDS)
            self._process = None


class Supervisor:
    """Keeps processes running, from a thread of its own."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def run(self, process: Process) -> Process:
        """Start a process and keep it running."""
        process.look()
        self.processes.append(process)
        return process

    def close(self) -> None:
        """End all of them, the last started first."""
        self._ended.set()
        self._thread.join()
        for process in reversed(self.processes):
            process.stop(signal.SIGKILL)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for process in list(self.processes):
                process.look()
