"""Processes that a benchmark starts: a worker and the like, awaited by its health address, and always stopped."""

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
        process = subprocess.Popen(  # noqa: S603 - our own modules
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


def wait(
    condition: Callable[[], object],
    process: "subprocess.Popen[bytes] | None" = None,
    log: Path | None = None,
    *,
    pause: float = 0.02,
) -> None:
    """Ask every `pause` seconds until `condition` is true.

    Raises:
        RuntimeError: the process ended before, with the end of its log, or it took minutes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
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
