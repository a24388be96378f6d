"""The programs of this repository: their exit codes, one line for every error, the services that a command works on."""

import argparse
import logging
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from difflib import SequenceMatcher
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click

from shared.config import load_settings
from shared.errors import DelineateError, Retryable
from shared.logs import setup_logging
from shared.output import replace_unknown_characters
from shared.services import FEW_CONNECTIONS, Services, connect
from shared.version import code_version

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """How a command ended. Stable: scripts rely on these numbers."""

    SUCCEEDED = 0  # done; where the command waited for a job, all of its images succeeded
    SOME_FAILED = 1  # done, and not all is well: images of the job failed, an audit found something
    USAGE = 2  # a wrong argument or setting: an error that stays until something is changed
    SERVICE_AWAY = 3  # a service went away; try again
    CANCELLED = 4  # the job was cancelled
    DEFECT = 70  # a defect of ours; LOG_LEVEL=DEBUG shows where
    INTERRUPTED = 130  # Ctrl-C

    @classmethod
    def of(cls, error: DelineateError) -> "ExitCode":
        """Return the code of a command that ends with this error."""
        return cls.SERVICE_AWAY if isinstance(error, Retryable) else cls.USAGE


_MEANINGS = {
    ExitCode.SUCCEEDED: "done",
    ExitCode.USAGE: "a wrong argument or setting",
    ExitCode.SERVICE_AWAY: "a service went away: try again",
    ExitCode.DEFECT: "a defect; LOG_LEVEL=DEBUG shows where",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}


def exit_codes_help(own: Mapping[ExitCode, str]) -> str:
    """Return the end of a program's help: what its exit codes mean.

    Args:
        own: The meanings that are this program's own, beside those that all have.
    """
    lines = (f"  {code.value:<4} {meaning}" for code, meaning in sorted({**_MEANINGS, **own}.items()))
    return "\n".join(("\b", "Exit codes:", *lines))  # \b: click leaves the lines as they are


_COMMAND = re.compile(r"`((?:producer|admin|python)\b)")
# Longer than any first sentence of a help.
_SENTENCE = 1000
# From which share of common letters on a name may be what was meant.
_ALIKE = 0.6


class Interrupted(Exception):
    """Ctrl-C; the text says what goes on and how to go on."""


@contextmanager
def on_interrupt(text: str) -> Iterator[None]:
    """Say `text` when Ctrl-C ends the body."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(text) from error


class Commands(click.Group):
    """A group whose help tells what each command does in its whole first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their sentences, over as many lines as these need."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_SENTENCE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Program(Commands):
    """A group whose commands end, whatever happens, with one line and an exit code: never with a traceback.

    It has the program's name.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit."""
        replace_unknown_characters()
        try:
            code = super().main(*args, **extra | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = ExitCode.USAGE
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else self.name
            code = _fail(f"{_message(error)} (`{typed(command or '')} --help` shows how)", ExitCode.USAGE)
        except click.ClickException as error:
            code = _fail(error.format_message(), ExitCode.USAGE)
        except click.Abort:
            code = _fail("interrupted", ExitCode.INTERRUPTED)
        except BaseException as error:
            code = _told(error, self.name or "")
        finally:
            _options.clear()
        sys.exit(code)


class Parser(argparse.ArgumentParser):
    """The options of a `python -m` program; what is wrong with them is one line, as in a `Program`."""

    def __init__(self, module: str, description: str, **options: Any) -> None:
        """Make a parser that knows --help and --version.

        Args:
            module: that Python runs, such as `training.train`.
            description: what the program does.
            **options: of `argparse.ArgumentParser`.
        """
        program = f"{typed('python')} -m {module}"
        super().__init__(prog=program, description=description, **options)
        self.add_argument("--version", action="version", version=f"{module}, version {code_version()}")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        sys.exit(_fail(f"{message} (`{self.prog} --help` shows how)", ExitCode.USAGE))


def ended(module: str, body: Callable[[], int]) -> int:
    """Run what a `python -m` program does and return its exit code; every error is one line, as in a `Program`."""
    try:
        return body()
    except BaseException as error:
        return _told(error, module)


_options: dict[str, str] = {}


def keep_options(program: str, options: str) -> None:
    """Have all commands that are told of until this one ends name these options of their program."""
    _options[program] = options


def typed(command: str) -> str:
    """Return a command of ours as it can be typed here: `producer`, or `.venv/bin/producer` in a checkout."""
    program, _, rest = command.partition(" ")
    if program in _options:
        command = " ".join(filter(None, (program, _options[program], rest)))
    folder = Path(sys.executable).parent
    found = shutil.which(program)
    if (found and Path(found).parent == folder) or not (folder / program).exists():
        return command
    with suppress(ValueError, OSError):
        folder = folder.relative_to(Path.cwd())
    return f"{folder}/{command}"


def with_typed_commands(text: str) -> str:
    """Return a text with its commands of ours, which stand between backticks, as they can be typed here."""
    return _COMMAND.sub(lambda found: f"`{typed(found[1])}", text)


def _told(error: BaseException, program: str) -> ExitCode:
    """Say in one line what ended a program, and return its exit code; what was no error goes on."""
    match error:
        case KeyboardInterrupt():
            return _fail("interrupted", ExitCode.INTERRUPTED)
        case Interrupted():
            return _fail(str(error), ExitCode.INTERRUPTED)
        case DelineateError():
            return _fail(str(error), ExitCode.of(error))
        case Exception():  # the last guard: whatever it is, a user sees one line
            log.debug("defect", exc_info=True)
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            return _fail(f"a defect of {program}, please report it: {what}", ExitCode.DEFECT)
    raise error


def _message(error: click.UsageError) -> str:
    """Return what click says, without a suggestion that owes its likeness to two hyphens."""
    if not (isinstance(error, click.NoSuchOption) and error.possibilities):
        return error.format_message()
    wrong = error.option_name.lstrip("-")
    meant = [name for name in error.possibilities if _likeness(wrong, name.lstrip("-")) >= _ALIKE]
    return click.NoSuchOption(error.option_name, possibilities=meant or None, ctx=error.ctx).format_message()


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


@contextmanager
def opened_services(
    *, check: bool = True, quiet: bool = False, connections: int = FEW_CONNECTIONS
) -> Iterator[Services]:
    """Load the settings, set up the log, and open the services for as long as the body runs.

    Args:
        check: Ask the database first whether it answers and has this version's tables.
        quiet: Log errors alone, unless LOG_LEVEL is DEBUG: for programs that say what they do in their own words.
        connections: To the database that stay open, see `connect`.

    Raises:
        ConfigurationError: a setting cannot work, or the database has other tables.
        DatabaseUnavailable: the database does not answer.
    """
    settings = load_settings()
    setup_logging("ERROR" if quiet and settings.log_level != "DEBUG" else settings.log_level)
    with closing(connect(settings, connections=connections)) as services:
        if check:
            services.database.check()
        yield services


def plural(count: int, noun: str) -> str:
    """Return `1 image`, `1,000 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    """Return the text with control characters escaped, so that no file name can steer a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _fail(reason: str, code: ExitCode) -> ExitCode:
    click.echo(f"error: {with_typed_commands(printable(reason))}", err=True)
    return code
