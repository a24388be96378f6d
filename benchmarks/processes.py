"""Processes that a benchmark starts: a worker and the like, awaited by its health address, and always stopped."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.config import CHECKOUT

PATIENCE_SECONDS = 300.0


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with these arguments while the body runs; what it prints goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_producer(arguments: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the producer's own command, as a user does; what it prints is nobody's."""
    return subprocess.Popen(
        [sys.executable, "-c", "from producer.cli import main; main()", *arguments],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait(
    condition: Callable[[], object],
    process: "subprocess.Popen[bytes] | None" = None,
    log: Path | None = None,
    *,
    pause: float = 0.02,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Ask every `pause` seconds until `condition` is true.

    Raises:
        RuntimeError: the process ended before, with the end of its log, or it took longer than `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:] if log is not None else ""
            raise RuntimeError(f"{'a process ended' if ended else 'it took too long'}\n{tail}")
        time.sleep(pause)


def answers(address: str) -> bool:
    """Whether an HTTP server says that it is well."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - http://127.0.0.1
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


class Answering:
    """A process that answers a line with a number, and sleeps between two of them: see `answer_lines`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, question: object) -> float:
        """Send a line and wait for the number."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("a process ended instead of answering: what it said is above")
        return float(answer)


@contextmanager
def answering(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Answering]:
    """Run Python with these arguments, which has to call `answer_lines`, while the body runs."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Answering(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()  # on which `answer_lines` ends
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def answer_lines(answer: Callable[[str], float]) -> None:
    """Answer each line of standard input, until it ends; what libraries print goes to standard error."""
    answers_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(answer(line.strip()), file=answers_to, flush=True)
