"""The embedded stack: `admin standalone`, and beside it a second worker and a second reconciler."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from redis import Redis

from admin.standalone.state import State
from devservers import free_ports
from shared.config import load_settings
from tests.faults.plan import StackKind
from tests.faults.points import Points
from tests.faults.processes import Process, Supervisor
from tests.faults.world import World, environment, opened, run_armed

_START_SECONDS = 300.0
_NONE_ELSEWHERE = {"DATABASE_URL": "", "BROKER_URL": "", "STORE_URL": ""}


@contextmanager
def embedded_world(folder: Path) -> Iterator[World]:
    """The whole stack, ready for jobs; it ends with the body."""
    with ExitStack() as closing:
        supervisor = Supervisor()
        closing.callback(supervisor.close)
        home = folder / "home"
        [port] = free_ports(1)
        variables = environment(home, **_NONE_ELSEWHERE)
        command = [sys.executable, "-m", "tests.faults.standalone", str(folder), "--port", str(port)]
        supervisor.run(Process("standalone", command, folder / "standalone.log", variables))
        settings = load_settings(delineate_home=home, database_url="", broker_url="", store_url="")
        through = closing.enter_context(opened(variables))
        past = closing.enter_context(opened(variables))
        _await_ready(folder / "standalone.log")
        for name in ("reconciler-2", "worker-2"):
            run_armed(supervisor, folder, name, variables)
        # Renamed, since the suite looks for processes by how their names begin.
        names = {"redis": "broker", "reconciler-1": "reconciler", "admin": "admin", "worker-1": "worker"}
        yield World(
            stack=StackKind.EMBEDDED,
            folder=folder,
            supervisor=supervisor,
            points=Points(folder / "points"),
            through=through,
            past=past,
            redis=closing.enter_context(Redis(unix_socket_path=str(settings.broker_socket), socket_timeout=10)),
            admin_address=f"http://127.0.0.1:{port}",
            others={name: partial(_pid, home, part) for name, part in names.items()},
        )


def _await_ready(log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (log.exists() and "ready: " in log.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the standalone was not ready within {_START_SECONDS:g} s: see {log}")
        time.sleep(0.1)


def _pid(home: Path, part: str) -> int | None:
    """The process of a part, if it lives; a pid of an earlier life is not taken for it."""
    for recorded in State.load(home / "standalone.json").children:
        if recorded.name == part and (process := recorded.process()) is not None:
            return process.pid
    return None
