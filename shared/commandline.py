"""The programs of this repository: their exit codes, one line for every error, the services that a command works on."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import IntEnum
from typing import Any

import click

from shared.config import load_settings
from shared.errors import DelineateError, Retryable
from shared.logs import setup_logging
from shared.output import replace_unknown_characters
from shared.services import FEW_CONNECTIONS, Services, connect

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


class Interrupted(Exception):
    """Ctrl-C; the text says what goes on and how to go on."""


@contextmanager
def on_interrupt(text: str) -> Iterator[None]:
    """Say `text` when Ctrl-C ends the body."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(text) from error


class Program(click.Group):
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
            code = _fail(f"{error.format_message()} (`{command} --help` shows how)", ExitCode.USAGE)
        except click.ClickException as error:
            code = _fail(error.format_message(), ExitCode.USAGE)
        except (click.Abort, KeyboardInterrupt):
            code = _fail("interrupted", ExitCode.INTERRUPTED)
        except Interrupted as error:
            code = _fail(str(error), ExitCode.INTERRUPTED)
        except DelineateError as error:
            code = _fail(str(error), ExitCode.of(error))
        except Exception as error:  # the last guard: whatever it is, a user sees one line
            log.debug("defect", exc_info=True)
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            code = _fail(f"a defect of {self.name}, please report it: {what}", ExitCode.DEFECT)
        sys.exit(code)


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


def printable(text: str) -> str:
    """Return the text with control characters escaped, so that no file name can steer a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _fail(reason: str, code: ExitCode) -> ExitCode:
    click.echo(f"error: {printable(reason)}", err=True)
    return code
