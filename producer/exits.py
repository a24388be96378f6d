"""Exit codes, and the one place where an error becomes a line and a code."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click

from producer.display import printable
from shared.errors import DelineateError, Retryable
from shared.jobs.state import JobStatus

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """How a command ended. Stable: scripts rely on these numbers."""

    SUCCEEDED = 0  # done; where the command waited for a job, all of its images succeeded
    SOME_FAILED = 1  # the job finished, and some or all of its images failed
    USAGE = 2  # a wrong argument or setting; nothing was made
    SERVICE_AWAY = 3  # a service went away; try again
    CANCELLED = 4  # the job was cancelled
    DEFECT = 70  # a defect of producer; LOG_LEVEL=DEBUG shows where
    INTERRUPTED = 130  # Ctrl-C


EXIT_CODES_HELP = """\b
Exit codes:
  0    done; where the command waited for a job, all of its images succeeded
  1    the job finished, and some or all of its images failed
  2    a wrong argument or setting
  3    a service went away: try again
  4    the job was cancelled
  70   a defect of producer; LOG_LEVEL=DEBUG shows where
  130  interrupted by Ctrl-C"""

_OF_JOB = {
    JobStatus.SUCCEEDED: ExitCode.SUCCEEDED,
    JobStatus.PARTIAL: ExitCode.SOME_FAILED,
    JobStatus.FAILED: ExitCode.SOME_FAILED,
    JobStatus.CANCELLED: ExitCode.CANCELLED,
}


def exit_code_of(state: JobStatus) -> ExitCode:
    """Return the exit code for a job that was waited for; `state` is final."""
    return _OF_JOB[state]


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
    """A group whose commands end, whatever happens, with one line and an exit code: never with a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit."""
        try:
            code = super().main(*args, **extra | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = ExitCode.USAGE
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "producer"
            code = _fail(f"{error.format_message()} (`{command} --help` shows how)", ExitCode.USAGE)
        except click.ClickException as error:
            code = _fail(error.format_message(), ExitCode.USAGE)
        except (click.Abort, KeyboardInterrupt):
            code = _fail("interrupted", ExitCode.INTERRUPTED)
        except Interrupted as error:
            code = _fail(str(error), ExitCode.INTERRUPTED)
        except Retryable as error:
            code = _fail(str(error), ExitCode.SERVICE_AWAY)
        except DelineateError as error:
            code = _fail(str(error), ExitCode.USAGE)
        except Exception as error:
            log.debug("defect", exc_info=True)
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            code = _fail(f"a defect of producer, please report it: {what}", ExitCode.DEFECT)
        sys.exit(code)


def _fail(reason: str, code: ExitCode) -> ExitCode:
    click.echo(f"error: {printable(reason)}", err=True)
    return code
