import os
import signal
import sys
import time

import pytest

from admin.standalone.foreground import Foreground
from shared.errors import UsageError

PATIENCE = 60.0


def ended(command: Foreground) -> int:
    deadline = time.monotonic() + PATIENCE
    while (code := command.exit_code()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code


def test_its_exit_code_is_the_shells():
    assert ended(Foreground(["sh", "-c", "exit 7"], os.environ)) == 7
    assert ended(Foreground(["sh", "-c", "kill -9 $$"], os.environ)) == 128 + 9


def test_standard_streams_and_environment_are_its_own(capfd: pytest.CaptureFixture[str]):
    script = "import os, sys; print(os.environ['GREETING']); print('oops', file=sys.stderr)"
    assert ended(Foreground([sys.executable, "-c", script], os.environ | {"GREETING": "hello"})) == 0
    assert capfd.readouterr() == ("hello\n", "oops\n")


def test_a_signal_is_passed_on():
    command = Foreground(["sleep", "600"], os.environ)
    command.interrupt(signal.SIGTERM)
    assert ended(command) == 128 + signal.SIGTERM


@pytest.mark.parametrize("from_terminal", [True, False])
def test_ctrl_c_reaches_it_once(monkeypatch: pytest.MonkeyPatch, from_terminal: bool):
    monkeypatch.setattr("admin.standalone.foreground._in_terminal_foreground", lambda: from_terminal)
    command = Foreground(["sleep", "600"], os.environ)
    command.interrupt(signal.SIGINT)
    if from_terminal:  # the terminal has sent it already, to the whole process group
        command.kill()
    assert ended(command) == 128 + (signal.SIGKILL if from_terminal else signal.SIGINT)


def test_what_cannot_be_started_is_one_line():
    with pytest.raises(UsageError, match="cannot be started: No such file"):
        Foreground(["/no/such/command"], os.environ)
