"""`scripts/beside`, by which `make faults` runs both of its stacks."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import CHECKOUT

BESIDE = [sys.executable, str(CHECKOUT / "scripts" / "beside")]


def beside(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*BESIDE, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)


def test_commands_run_at_once_and_each_line_has_a_name(tmp_path: Path) -> None:
    # Each waits for what the other does first.
    meet = f"sh -c 'touch {tmp_path}/%s; until [ -e {tmp_path}/%s ]; do sleep 0.01; done; echo I met %s'"
    ended = beside("one", meet % ("one", "other", "other"), "other", meet % ("other", "one", "one"))
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert {"one   | I met other", "other | I met one"} < set(lines)
    assert sum("| ended with code 0 after" in line for line in lines) == 2


@pytest.mark.parametrize("commands", [("a", "false", "b", "true"), ("a", "true", "b", "false")])
def test_one_that_fails_fails_all(commands: tuple[str, ...]) -> None:
    ended = beside(*commands)
    assert ended.returncode == 1
    assert "| ended with code 1 after" in ended.stdout


def test_who_ends_it_ends_the_commands(tmp_path: Path) -> None:
    wait = "sh -c 'trap \"echo told to; exit 0\" TERM; touch {}; while :; do sleep 0.01; done'"
    command = [*BESIDE, "first", "true", "a", wait.format(tmp_path / "a"), "b", wait.format(tmp_path / "b")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("first | ended with code 0")  # by then all have been started
        while not all((tmp_path / name).exists() for name in "ab"):
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=240)
    assert running.returncode == 130
    assert {"a     | told to", "b     | told to"} <= set(output.splitlines())


def test_names_without_commands_are_refused() -> None:
    ended = beside("a", "true", "b")
    assert ended.returncode == 2
    assert ended.stderr == "usage: scripts/beside NAME COMMAND [NAME COMMAND …]\n"
