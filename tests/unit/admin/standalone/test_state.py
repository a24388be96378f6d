import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.standalone.state import Recorded, State, end_leftovers, recorded_now


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def recorded(process: subprocess.Popen[bytes]) -> Recorded:
    entry = Recorded.of("worker", process.pid)
    assert entry
    return entry


def test_state_is_read_as_it_was_written(tmp_path: Path):
    state = State(7, "http://127.0.0.1:8000", recorded_now([("self", os.getpid()), ("never started", None)]))
    state.save(tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == state
    assert [child.name for child in state.children] == ["self"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1, "address": "", "children": [{"pid": 1}]}'])
def test_a_damaged_state_says_nothing(tmp_path: Path, content: str):
    (tmp_path / "state.json").write_text(content)
    assert State.load(tmp_path / "state.json") == State()
    assert State.load(tmp_path / "missing.json") == State()


def test_leftovers_are_ended(sleeper: subprocess.Popen[bytes]):
    assert end_leftovers([recorded(sleeper)]) == ["worker"]
    assert sleeper.poll() is not None


def test_leftovers_that_do_not_listen_are_killed(monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]):
    monkeypatch.setattr("admin.standalone.state._STOP_SECONDS", 0.1)
    sleeper.send_signal(signal.SIGSTOP)
    assert end_leftovers([recorded(sleeper)]) == ["worker"]
    assert sleeper.poll() is not None


def test_a_process_that_was_given_the_pid_of_a_leftover_is_left_alone(sleeper: subprocess.Popen[bytes]):
    entry = recorded(sleeper)
    earlier = Recorded(entry.name, entry.pid, entry.created - 60)
    assert end_leftovers([earlier]) == []
    assert sleeper.poll() is None


def test_the_dead_and_the_buried_are_no_leftovers(sleeper: subprocess.Popen[bytes]):
    entry = recorded(sleeper)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet taken notice of
    assert end_leftovers([entry]) == []
    sleeper.wait()
    assert end_leftovers([entry]) == []
    assert Recorded.of("worker", sleeper.pid) is None
