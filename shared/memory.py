"""How much memory a process has, and has had."""

from pathlib import Path


def peak_memory_mib(pid: int | None = None) -> float:
    """Return the most resident memory that a process has had, in MiB, its descendants not counted.

    Not `ru_maxrss`, in which the memory of the process that started it counts.

    Args:
        pid: of the process; None: this one.

    Raises:
        ValueError: it has ended, and nobody has waited for it yet.
        OSError: there is no such process, or the system is not Linux.
    """
    return _memory_of("VmHWM:", pid) / 2**20


def resident_memory() -> int | None:
    """Return the resident memory of this process in bytes, its descendants not counted; None where it is not Linux."""
    try:
        return _memory_of("VmRSS:", None)
    except OSError:
        return None


def _memory_of(field: str, pid: int | None) -> int:
    """What the kernel says of a process, in bytes."""
    status = Path("/proc", "self" if pid is None else str(pid), "status").read_text(encoding="ascii", errors="replace")
    for line in status.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory of its own")
