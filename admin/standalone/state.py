"""What a running stack writes down for others: where it answers, and which processes are its own."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from shared.files import replacing

# Rounding of the boot time, from which create times are counted.
_CLOCK_TOLERANCE_SECONDS = 1.5
_STOP_SECONDS = 10.0
_KILL_SECONDS = 5.0


@dataclass(frozen=True)
class Recorded:
    """A process that was started, told apart from later ones with the same pid by when it was created."""

    name: str
    pid: int
    created: float  # Unix seconds, as the kernel knows it

    @classmethod
    def of(cls, name: str, pid: int) -> "Recorded | None":
        """Record a process of now, or return None if it has already gone."""
        try:
            return cls(name, pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """Return the process if it still lives, and never another one that was given its pid."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _CLOCK_TOLERANCE_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class State:
    """The state file's content."""

    pid: int = 0
    address: str = ""
    children: Sequence[Recorded] = field(default_factory=tuple)

    @classmethod
    def load(cls, path: Path) -> "State":
        """Read the state; one that is missing or damaged says nothing."""
        try:
            content = json.loads(path.read_text())
            children = tuple(Recorded(**child) for child in content["children"])
            return cls(int(content["pid"]), str(content["address"]), children)
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def save(self, path: Path) -> None:
        """Write the state in one step: a reader sees the old one or the new one."""
        with replacing(path, durable=False) as aside:  # it tells of processes, which a power cut ends too
            aside.write_text(json.dumps(asdict(self), indent=2) + "\n")


def end_leftovers(recorded: Sequence[Recorded]) -> list[str]:
    """End those of the processes that still live, forcibly where they do not listen; returns their names."""
    alive = {process: entry.name for entry in recorded if (process := entry.process())}
    # A broker saves its last second on being asked; a stopped process listens to nothing but SIGKILL.
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _ended, left = psutil.wait_procs(list(alive), timeout=_STOP_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=_KILL_SECONDS)
    return list(alive.values())


def recorded_now(processes: Sequence[tuple[str, int | None]]) -> tuple[Recorded, ...]:
    """Record the processes that run at present."""
    entries = (Recorded.of(name, pid) for name, pid in processes if pid is not None)
    return tuple(entry for entry in entries if entry)
