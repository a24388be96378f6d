"""An embedded stack as a user starts it: `admin standalone` in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from shared.config import Settings, load_settings

PATIENCE_S = 240.0  # for anything to happen, on a loaded machine
SCRIPTS = Path(sys.executable).parent
PARTS = ("broker", "reconciler", "admin", "worker")

# What would lead the stack, or who talks to it, elsewhere.
_FOREIGN = ("DATABASE_URL", "BROKER_URL", "STORE_URL", "ADMIN_PASSWORD", "SECRET_KEY", "LOG_LEVEL")

T = TypeVar("T")


class EmbeddedStack:
    """The stack under `home`; `settings` are more environment variables."""

    def __init__(self, home: Path, *arguments: str, settings: dict[str, str] | None = None) -> None:
        self.home = home
        self.environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        self.environment |= {"DELINEATE_HOME": str(home), "OMP_NUM_THREADS": "1"} | (settings or {})
        self._arguments = arguments
        self._output = home.with_suffix(".output")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for child in self.processes():
            child.kill()

    def start(self) -> None:
        """Start it; see `wait_until_ready`."""
        command = [SCRIPTS / "admin", "standalone", "--port", "0", *self._arguments]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        """What it has printed since the last start."""
        return self._output.read_text()

    def wait_until_ready(self) -> str:
        """Return the address that the ready line names."""
        ready = self.wait_for(lambda: re.search(r"^ready: (http://127\.0\.0\.1:\d+) \(user admin", self.output, re.M))
        return ready[1]

    def wait_for(self, condition: Callable[[], T | None]) -> T:
        """Return what `condition` returns once that is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert self.process.poll() is None, f"the stack ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return value

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def pid(self, part: str) -> int:
        """The process that was last started for a part."""
        children = json.loads((self.home / "standalone.json").read_text())["children"]
        return next(child["pid"] for child in children if child["name"] == part)

    def processes(self) -> list[psutil.Process]:
        """All processes of this stack but the supervisor, however they came to live."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def nothing_is_left(self) -> bool:
        """Whether no process lives, once the kernel has had time to end those of a killed parent."""
        _gone, alive = psutil.wait_procs(self.processes(), timeout=PATIENCE_S)
        return not alive

    def run(self, command: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run one of our commands against it, from another folder."""
        return subprocess.run(
            [SCRIPTS / command, *arguments],
            env=self.environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def producer(self, *arguments: str | Path) -> Any:
        """Run a command of the producer that prints JSON."""
        result = self.run("producer", *arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    @property
    def settings(self) -> Settings:
        """The settings with which its parts run."""
        return load_settings(delineate_home=self.home, database_url="", broker_url="", store_url="")

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid in (os.getpid(), self.process.pid):
            return False
        try:
            # The broker writes its title over its environment; it stands in its folder.
            return process.environ().get("DELINEATE_HOME") == str(self.home) or self.home in Path(process.cwd()).parents
        except psutil.Error:
            return False


def lines(text: str, pattern: str) -> Sequence[str]:
    """The lines in which the pattern is found."""
    return [line for line in text.splitlines() if re.search(pattern, line)]
