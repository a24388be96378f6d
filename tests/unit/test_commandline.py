"""One line and one code for every error, and the services of a command."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import admin.cli
import producer.cli
from shared.commandline import (
    ExitCode,
    Parser,
    Program,
    ended,
    exit_codes_help,
    on_interrupt,
    opened_services,
    with_typed_commands,
)
from shared.config import CHECKOUT
from shared.db.migrate import migrate
from shared.errors import (
    BrokerUnavailable,
    ConfigurationError,
    DatabaseUnavailable,
    IllegalTransition,
    JobNotFound,
    StoreUnavailable,
    UsageError,
)
from shared.services import Services
from shared.version import code_version


def run(body: Callable[[], object], *arguments: str) -> tuple[int, str]:
    """Run a command with this body; return its exit code and standard error."""

    @click.group("producer", cls=Program)
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


def test_every_code_is_told_with_its_meaning():
    told = exit_codes_help(dict.fromkeys(ExitCode, "one") | {ExitCode.CANCELLED: "the job was cancelled"})
    assert told.splitlines()[:3] == ["\b", "Exit codes:", "  0    one"]
    assert "  4    the job was cancelled" in told.splitlines()
    assert len(told.splitlines()) == 2 + len(ExitCode)


@pytest.fixture
def home(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    return own_home


def test_opened_services_ask_the_database_first_unless_told_not_to(home: Path):
    with pytest.raises(ConfigurationError, match="there is no database at"), opened_services():
        pytest.fail("the body ran")
    with opened_services(check=False) as services:
        assert services.settings.delineate_home == home
        migrate(services.database)
    with opened_services() as services:
        assert services.repository.jobs(limit=1) == []


@pytest.mark.parametrize(
    ("asked", "quiet", "level"), [("INFO", False, "INFO"), ("INFO", True, "ERROR"), ("DEBUG", True, "DEBUG")]
)
def test_what_says_itself_what_it_does_logs_errors_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: str, quiet: bool, level: str
):
    monkeypatch.setenv("LOG_LEVEL", asked)
    with opened_services(check=False, quiet=quiet):
        assert logging.getLevelName(logging.getLogger().level) == level


def test_opened_services_are_closed_after_an_error_too(home: Path, monkeypatch: pytest.MonkeyPatch):
    closed = []
    monkeypatch.setattr(Services, "close", lambda services: closed.append(services))
    with pytest.raises(UsageError), opened_services(check=False) as services:
        raise UsageError("wrong")
    assert closed == [services]


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "caf? 3?4 ?"), ("latin-1", "caf\xe9 3\xd74 ?"), ("utf-8", "café 3×4 …")]
)
def test_output_that_lacks_characters_changes_no_exit_code(encoding: str, shown: str) -> None:
    program = """
import click, rich.console
from shared.commandline import Program
@click.group("x", cls=Program)
def main(): ...
@main.command()
def tell():
    print("caf\xe9 3\xd74 \u2026")
    rich.console.Console(width=40).print("caf\xe9 3\xd74 \u2026")
    raise click.exceptions.Exit(4)
main()
"""
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program, "tell"], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (4, b"")
    assert done.stdout.decode(encoding).splitlines() == [shown, shown]


def test_a_suggestion_is_a_likely_one() -> None:
    assert "Did you mean '--number'?" in run(lambda: None, "--numbr", "1")[1]
    assert "Did you mean" not in run(lambda: None, "--wrong", "1")[1]


def test_a_service_that_is_away_stays_one_with_advice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
    with opened_services(check=False) as services:
        migrate(services.database)
        with pytest.raises(BrokerUnavailable, match="check DATABASE_URL") as found:
            services.check()
    assert ExitCode.of(found.value) == 3


@pytest.mark.parametrize("program", [producer.cli.main, admin.cli.main], ids=["producer", "admin"])
def test_every_command_has_a_help_and_tells_itself_in_a_whole_sentence(program: click.Group) -> None:
    def look(command: click.Command, words: list[str]) -> None:
        shown = CliRunner().invoke(program, [*words, "--help"])
        assert (shown.exit_code, shown.stderr) == (0, "")
        if isinstance(command, click.Group):
            *_, listed = shown.output.partition("Commands:")
            assert "..." not in listed.partition("Exit codes:")[0]
            for name, each in command.commands.items():
                look(each, [*words, name])

    look(program, [])


@pytest.mark.parametrize("module", ["producer", "admin", "worker"])
def test_a_version_is_told_at_once(module: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = ['{module}', '--version']\n"
        f"try: runpy.run_module('{module}', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'click', 'celery', 'sqlalchemy', 'pydantic', 'torch'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [f"{module}, version {code_version()}", "[]"]


def test_a_worker_is_asked_for_its_help_without_starting_one() -> None:
    def ask(option: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "worker", option]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=CHECKOUT)

    asked, wrong = ask("--help"), ask("--wrong")
    assert asked.returncode == 0
    assert asked.stdout.startswith("usage: ")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert wrong.stderr.startswith("error: ")


def test_a_module_s_options_fail_in_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("training.train", "Train.")
    parser.add_argument("--count", type=int)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--count", "x"])
    said = capsys.readouterr().err
    assert (end.value.code, said.count("\n")) == (2, 1)
    assert said.startswith("error: argument --count")
    assert "training.train --help` shows how" in said
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"training.train, version {code_version()}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (DatabaseUnavailable("wrong"), 3),
        (ZeroDivisionError("wrong"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_whatever_ends_a_module_is_one_line_and_a_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> int:
        raise error

    assert ended("training.train", body) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_hints_name_commands_as_they_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a checkout" / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "producer").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path / "a checkout")
    hint = "look with `producer status`, or `make up`"
    assert with_typed_commands(hint) == "look with `.venv/bin/producer status`, or `make up`"
    assert with_typed_commands("the producer is `admin`") == "the producer is `admin`"
    monkeypatch.setenv("PATH", str(folder))  # activated
    assert with_typed_commands(hint) == hint
