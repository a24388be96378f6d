from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from producer.exits import Commands, ExitCode, exit_code_of, on_interrupt
from shared.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    IllegalTransition,
    JobNotFound,
    StoreUnavailable,
    UsageError,
)
from shared.jobs.state import JobStatus


def run(body: Callable[[], object], *arguments: str) -> tuple[int, str]:
    """Run a command with this body; return its exit code and standard error."""

    @click.group(cls=Commands)
    def group() -> None: ...

    @group.command()
    @click.option("--number", type=int)
    def command(number: int) -> None:
        body()

    result = CliRunner().invoke(group, ["command", *arguments])
    assert result.stdout == ""
    return result.exit_code, result.stderr


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (ConfigurationError("wrong"), 2),
        (JobNotFound("wrong"), 2),
        (IllegalTransition("wrong"), 2),
        (DatabaseUnavailable("wrong"), 3),
        (StoreUnavailable("wrong"), 3),
        (click.exceptions.Exit(4), 4),
    ],
)
def test_every_error_is_one_line_and_a_code(error: Exception, code: int) -> None:
    line = "" if isinstance(error, click.exceptions.Exit) else "error: wrong\n"
    assert run(raising(error)) == (code, line)


def test_a_line_break_in_a_reason_does_not_break_the_line() -> None:
    assert run(raising(UsageError("no file a\nb"))) == (2, "error: no file a\\nb\n")


def test_clicks_own_errors_are_one_line_too() -> None:
    code, line = run(lambda: None, "--number", "x")
    assert code == 2
    assert line.startswith("error: Invalid value for '--number'")
    assert "command --help` shows how" in line
    assert line.count("\n") == 1


def test_a_defect_is_one_line_too() -> None:
    code, line = run(raising(ZeroDivisionError("division by zero\nmore")))
    assert code == 70
    assert line == "error: a defect of producer, please report it: ZeroDivisionError: division by zero\n"


def test_interrupts_say_what_goes_on() -> None:
    def body() -> None:
        with on_interrupt("interrupted; the job goes on"):
            raise KeyboardInterrupt

    assert run(body) == (130, "error: interrupted; the job goes on\n")
    assert run(raising(KeyboardInterrupt()))[0] == 130


def test_success_is_zero() -> None:
    assert run(lambda: None) == (0, "")


@pytest.mark.parametrize("state", [state for state in JobStatus if state.is_final])
def test_every_end_of_a_job_has_a_code(state: JobStatus) -> None:
    expected = {
        JobStatus.SUCCEEDED: ExitCode.SUCCEEDED,
        JobStatus.PARTIAL: ExitCode.SOME_FAILED,
        JobStatus.FAILED: ExitCode.SOME_FAILED,
        JobStatus.CANCELLED: ExitCode.CANCELLED,
    }
    assert exit_code_of(state) is expected[state]
