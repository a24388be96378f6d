import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from admin.standalone.backoff import Backoff
from admin.standalone.child import Child, Part
from admin.standalone.signals import SignalInbox
from admin.standalone.supervisor import Death, Supervisor

PATIENCE = 60.0

# Answers SIGTERM with a line in a file, so that the order is seen.
OBEDIENT = "trap 'echo \"$0\" >> stopped; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


class Stage:
    """A supervisor with what it said and whom it started."""

    def __init__(self, folder: Path, inbox: SignalInbox) -> None:
        self.folder = folder
        self.inbox = inbox
        self.said: list[str] = []
        self.changes: list[list[str]] = []
        self.deaths: list[Death] = []
        self.supervisor = Supervisor(
            logs=folder, say=self.said.append, wakeup=inbox, on_change=self._note, on_death=self.deaths.append
        )

    def _note(self, children: list[Child]) -> None:
        self.changes.append([child.part.name for child in children if child.pid])

    def start(self, name: str, script: str, *, stop_seconds: float = PATIENCE, first: float = 0.01) -> Child:
        script = f"cd '{self.folder}'; {script}"
        environment = {"PATH": os.environ["PATH"]}
        backoff = Backoff(first=first, longest=10, healthy_after=600)
        return self.supervisor.start(Part(name, ["sh", "-c", script, name], environment, stop_seconds, backoff))

    def step_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.said
            self.supervisor.step(0.05)

    def is_up(self, child: Child) -> Callable[[], bool]:
        return lambda: "ready" in child.output.path.read_text()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with SignalInbox() as inbox:
        stage = Stage(tmp_path, inbox)
        yield stage
        stage.supervisor.stop(hurry=lambda: True)


def test_a_killed_child_is_started_again_and_the_others_are_left_alone(stage: Stage):
    first = stage.start("first", OBEDIENT)
    other = stage.start("other", OBEDIENT)
    stage.step_until(lambda: stage.is_up(first)() and stage.is_up(other)())
    killed, untouched = first.pid, other.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    stage.step_until(lambda: first.pid not in (killed, None))
    assert stage.deaths == [Death("first", -signal.SIGKILL, "")]
    assert other.pid == untouched
    assert "first was killed by SIGKILL; starts again in 0.01 s" in stage.said[0]
    assert stage.said[1] == "first started again"
    assert stage.changes == [["first"], ["first", "other"], ["first", "other"]]


def test_pauses_grow_while_a_child_keeps_dying(stage: Stage):
    stage.start("worker", "echo 'error: no weights'; exit 2", first=0.01)
    stage.step_until(lambda: len(stage.deaths) >= 4)
    assert set(stage.deaths) == {Death("worker", 2, "no weights")}
    pauses = [line.partition("starts again in ")[2].partition(" s")[0] for line in stage.said if "ended" in line]
    assert pauses[:4] == ["0.01", "0.02", "0.04", "0.08"]
    assert "worker ended with code 2: no weights" in stage.said[0]


def test_output_of_a_short_life_is_not_lost(stage: Stage):
    child = stage.start("brief", "seq 20000; printf end", first=100)
    stage.step_until(lambda: child.restart_at)
    assert child.output.path.read_text().split() == [*map(str, range(1, 20001)), "end"]


def test_a_child_that_closes_its_output_lives_on(stage: Stage):
    child = stage.start("silent", "echo ready; exec >&- 2>&-; while :; do sleep 0.05; done")
    stage.step_until(stage.is_up(child))
    pid = child.pid
    for _ in range(20):
        stage.supervisor.step(0.01)
    assert stage.deaths == []
    assert child.pid == pid


def test_who_listens_to_deaths_can_give_up(tmp_path: Path):
    def give_up(death: Death) -> None:
        raise RuntimeError(f"gives up: {death}")

    said: list[str] = []
    with SignalInbox() as inbox:
        supervisor = Supervisor(logs=tmp_path, say=said.append, wakeup=inbox, on_death=give_up)
        command = ["sh", "-c", "echo 'worker: no weights'; exit 2"]
        child = supervisor.start(Part("worker", command, {"PATH": os.environ["PATH"]}))
        while not child.has_ended():
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="gives up: worker ended with code 2: no weights"):
            supervisor.step(0)
        supervisor.stop()
    assert said == []


def test_children_stop_one_after_the_other_the_last_started_first(stage: Stage):
    children = [stage.start(name, OBEDIENT) for name in ("broker", "admin", "worker")]
    stage.step_until(lambda: all(stage.is_up(child)() for child in children))
    stage.supervisor.stop()
    assert (stage.folder / "stopped").read_text().split() == ["worker", "admin", "broker"]
    assert stage.said == []
    assert [child.pid for child in children] == [None, None, None]


def test_who_does_not_stop_in_time_is_killed_with_all_that_it_started(stage: Stage):
    child = stage.start("stubborn", f"sleep 600 & echo $! > grandchild; {STUBBORN}", stop_seconds=0.2)
    stage.step_until(stage.is_up(child))
    grandchild = psutil.Process(int((stage.folder / "grandchild").read_text()))
    stage.supervisor.stop()
    assert child.pid is None
    psutil.wait_procs([grandchild], timeout=PATIENCE)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_hurry_does_not_wait_for_anybody(stage: Stage):
    children = [stage.start(name, STUBBORN, stop_seconds=3600) for name in ("one", "two")]
    stage.step_until(lambda: all(stage.is_up(child)() for child in children))
    requests = iter([True])  # one signal is enough for all that are left
    stage.supervisor.stop(hurry=lambda: next(requests, False))
    assert [child.pid for child in children] == [None, None]


def test_nobody_is_started_again_while_stopping(stage: Stage):
    dying = stage.start("dying", "exit 1", first=0.3)
    stage.step_until(lambda: dying.restart_at)
    stage.start("worker", STUBBORN, stop_seconds=0.6)
    starts = len(stage.changes)
    stage.supervisor.stop()
    assert len(stage.changes) == starts
    assert dying.pid is None


def test_children_get_no_signal_from_the_terminal(stage: Stage):
    child = stage.start("worker", OBEDIENT)
    assert child.pid
    assert os.getpgid(child.pid) == child.pid != os.getpgrp()
    assert os.getsid(child.pid) == child.pid


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own mechanism, on Linux alone")
def test_children_of_a_killed_supervisor_end_by_themselves(tmp_path: Path):
    script = """
import sys
from pathlib import Path
from admin.standalone.child import Part
from admin.standalone.signals import SignalInbox
from admin.standalone.supervisor import Supervisor
with SignalInbox() as inbox:
    supervisor = Supervisor(logs=Path(sys.argv[1]), say=print, wakeup=inbox)
    print(supervisor.start(Part("worker", ["sleep", "600"], {"PATH": "/usr/bin:/bin"})).pid, flush=True)
    supervisor.step(600)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        child = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    psutil.wait_procs([child], timeout=PATIENCE)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_requests_are_taken_in_the_order_in_which_they_came():
    before = signal.getsignal(signal.SIGTERM)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with SignalInbox() as inbox:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.raise_signal(number)
            taken = [inbox.next_request() for _ in range(4)]
    finally:
        signal.signal(signal.SIGHUP, hang_up)
    assert taken == [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, None]
    assert signal.getsignal(signal.SIGTERM) == before


def test_under_nohup_a_hang_up_is_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalInbox() as inbox:
            signal.raise_signal(signal.SIGHUP)
            assert inbox.next_request() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_request_ends_a_wait_at_once(stage: Stage):
    signal.raise_signal(signal.SIGTERM)
    stage.supervisor.step(3600)  # the test's own limit would end it
    assert stage.inbox.next_request() == signal.SIGTERM
