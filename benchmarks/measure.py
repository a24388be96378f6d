"""The frame that every benchmark fits in: rows of figures, rounds that alternate, CPU time and memory of processes.

A benchmark is a module with `rows(effort: Effort) -> list[Row]`, listed in `benchmarks/__main__.py`, that ends with

    if __name__ == "__main__":
        command(__doc__, rows)

Two things are compared by measuring them in turns, in one run (`alternate`), so that whatever else the machine does
falls on both; a figure is the median of its rounds, with the lower and upper quartile (`Row.of`), and a comparison is
the median of the rounds' own ratios (`ratios`).
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from shared.memory import peak_memory_mib


@dataclass(frozen=True)
class Effort:
    """How much work a benchmark does: `quick` only shows that it runs."""

    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a smoke run."""
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        """Rounds of two things that take turns."""
        return self.of(5, 1)


@dataclass(frozen=True)
class Row:
    """One figure: the median of its samples, and their quartiles.

    Args:
        name: what was measured, the same in every run.
        unit: "images/s", "ms CPU per image", "ratio", "MiB" …
        at_least, at_most: the target, where there is one.
    """

    name: str
    value: float
    unit: str
    lower_quartile: float
    upper_quartile: float
    at_least: float | None = None
    at_most: float | None = None

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        samples: Sequence[float],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> "Row":
        """The row of these samples; one alone is its own quartiles."""
        lower, median, upper = (float(value) for value in np.percentile(samples, (25, 50, 75)))
        return cls(name, median, unit, lower, upper, at_least, at_most)

    @property
    def target(self) -> str:
        """The bound in words: "≥ 0.62", or nothing."""
        if self.at_least is not None:
            return f"≥ {shown(self.at_least)}"
        return "" if self.at_most is None else f"≤ {shown(self.at_most)}"


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure all sides once a round, forwards and backwards in turns; each should be warm before.

    Returns:
        What each side returned, a sample a round.
    """
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sorted(sides, key=list(sides).index, reverse=bool(number % 2)):
            samples[name].append(sides[name]())
    return samples


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratios, round by round."""
    return [over / under for over, under in zip(numerators, denominators, strict=True)]


def own_cpu_ms(work: Callable[[], object], count: int) -> float:
    """CPU milliseconds of this process, all threads, for each of `count` calls; its child processes are not in it."""
    start = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - start) * 1000 / count


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU seconds so far, user and system, of these processes and all their descendants.

    It goes by the clock's ticks of 10 ms, so measure over seconds.
    """
    trees = {process.pid: process for pid in pids for process in _tree(pid)}
    return sum(_spent(process) for process in trees.values())


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _spent(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # Those of its children are those that have ended.
    return float(times.user + times.system + times.children_user + times.children_system)


def wait_and_measure(process: "subprocess.Popen[Any]") -> tuple[float, float]:
    """Wait until a process of ours ends well; its peak memory in MiB, and the CPU seconds of it and its children.

    Raises:
        RuntimeError: it ended badly.
    """
    peak = 0.0
    while True:
        with contextlib.suppress(OSError, ValueError):
            peak = max(peak, peak_memory_mib(process.pid))
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a process of a benchmark ended with code {process.returncode}")
    return peak, usage.ru_utime + usage.ru_stime


class BusyCores:
    """The share of all cores' time that was spent on anything, 0 to 1, since this was made."""

    def __init__(self) -> None:
        self._start = psutil.cpu_times()

    def share(self) -> float:
        """The share of CPU time in use until now."""
        now = psutil.cpu_times()
        spent = [after - before for before, after in zip(self._start, now, strict=True)]
        idle = (now.idle - self._start.idle) + (now.iowait - self._start.iowait)
        # Guest time is in user time already.
        guests = (now.guest - self._start.guest) + (now.guest_nice - self._start.guest_nice)
        return float(1 - idle / (sum(spent) - guests))


def shown(value: float) -> str:
    """Three digits that matter."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: Sequence[Row]) -> str:
    """A table."""
    lines = ["| | value | quartiles | unit | target |", "|---|---|---|---|---|"]
    for row in rows:
        quartiles = f"{shown(row.lower_quartile)} – {shown(row.upper_quartile)}"
        lines.append(f"| {row.name} | {shown(row.value)} | {quartiles} | {row.unit} | {row.target} |")
    return "\n".join(lines) + "\n"


def command(description: str | None, rows: Callable[[Effort], list[Row]]) -> None:
    """A benchmark as a command of its own: print its table."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it runs: the figures mean nothing")
    options = parser.parse_args()
    end_cleanly()
    print(markdown(rows(Effort(quick=options.quick))), end="")


def end_cleanly() -> None:
    """Let SIGTERM end this process as Ctrl-C does: every server is stopped, every folder removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started it in the background
