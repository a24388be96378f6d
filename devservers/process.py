"""One server process: started, waited for, stopped for sure."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_TIMEOUT_S = 180  # on a slow day
STOP_TIMEOUT_S = 10


class ServerMissing(Exception):
    """The server is not installed on this machine; the message says how to install it."""


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 on which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    folder: Path,
    wait_until: Callable[[], object],
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Run `command` in `folder` while the body runs.

    `wait_until` is called until it raises nothing: then the server answers. `environment` replaces this process's
    own. RuntimeError, with the end of the server's log, when it ends early or does not answer in time.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches the tests, which still need the server to clean up.
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    try:
        _wait(process, Path(command[0]).name, wait_until, log)
        yield
    finally:
        _stop(process, stop_signal)


def _wait(process: subprocess.Popen[bytes], name: str, wait_until: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            wait_until()
            return
        except Exception as error:
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                state = f"ended with code {process.returncode}" if ended else f"no answer in {START_TIMEOUT_S} s"
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name}: {state}\n{tail}") from error
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):  # whatever is left of its group, should it not have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
