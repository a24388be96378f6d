"""The `admin` command: parses and prints, nothing else.

Exit codes: 0 done; 1 an audit found something; 2 an error that stays until something is changed; 3 a service is away,
try again later; 70 a defect of ours. `admin standalone -- COMMAND` ends with the command's own code.
"""

import logging
from pathlib import Path
from typing import Any

import click

from admin.commands import processes as commands
from admin.commands.access import asked_password, tokens_group, users_group
from admin.commands.audit import audit_command
from admin.commands.models import models_group
from admin.commands.prune import prune_command
from shared.config import Settings, environment_example, load_settings, settings_table
from shared.errors import ConfigurationError, DelineateError, Retryable
from shared.logs import setup_logging
from shared.services import connect

_DEFECT = 70  # as `producer` does


class _Commands(click.Group):
    """A group whose commands end with one line and an exit code, never with a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(context)
        except DelineateError as error:
            click.echo(f"error: {_one_line(error)}", err=True)
            context.exit(3 if isinstance(error, Retryable) else 2)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:  # the last guard: whatever it is, a user sees one line
            logging.getLogger(__name__).debug("unexpected error", exc_info=True)
            click.echo(
                f"error: {type(error).__name__}: {_one_line(error)} (a defect; LOG_LEVEL=DEBUG shows where)", err=True
            )
            context.exit(_DEFECT)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run and look after Delineate: the web admin, the reconciler, the database, the embedded stack."""


main.add_command(models_group)
main.add_command(audit_command)
main.add_command(users_group)
main.add_command(tokens_group)
main.add_command(prune_command)


@main.command("serve")
def serve_command() -> None:
    """Serve the web admin on ADMIN_HOST:ADMIN_PORT."""
    commands.serve(_settings())


@main.command("migrate")
@click.option("--wait", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for the services.")
def migrate_command(wait: float) -> None:
    """Bring the database to this version and make the bucket; safe to repeat."""
    services = connect(_settings())
    try:
        commands.prepare(services, wait=wait)
    finally:
        services.close()
    click.echo("database and object store are ready")


@main.command("reconcile")
def reconcile_command() -> None:
    """Run the reconciler: frees lost leases, sends lost hints, ends finished jobs."""
    commands.reconcile(_settings())


@main.command("set-password")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def set_password_command(name: str, from_stdin: bool) -> None:
    """Set the password of the account NAME, making the account, as an operator, if there is none."""
    from admin.domain.accounts import set_password

    password = asked_password(from_stdin)
    services = connect(_settings())
    try:
        set_password(services.database, name, password)
    finally:
        services.close()
    click.echo(f"password of {name} set")


@main.command("settings")
@click.option("--env", "as_environment", is_flag=True, help="Print them in the form of .env.example.")
def settings_command(as_environment: bool) -> None:
    """Print all settings with their defaults, units and meanings."""
    click.echo(environment_example() if as_environment else settings_table(), nl=False)


@main.command("standalone")
@click.option("--home", type=click.Path(path_type=Path), help="Data folder instead of DELINEATE_HOME.")
@click.option("--temporary", is_flag=True, help="Everything in a fresh folder that is removed at the end.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web admin instead of ADMIN_PORT; 0: any.")
@click.option("--verbose", "-v", is_flag=True, help="Show all output of the parts, not warnings alone.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def standalone_command(
    context: click.Context,
    home: Path | None,
    temporary: bool,
    port: int | None,
    verbose: bool,
    command: tuple[str, ...],
) -> None:
    """Run the whole embedded stack on this machine until Ctrl-C.

    With `-- COMMAND…`, run COMMAND against it once it is ready, then stop everything and end with COMMAND's code.
    """
    try:
        from admin.standalone import Options, run
    except ImportError as error:
        raise ConfigurationError(
            f"the embedded stack needs more packages ({error.name}): pip install 'delineate[standalone]'"
        ) from error
    setup_logging("WARNING")  # its own lines are for people; those of its parts go through it
    context.exit(run(Options(home=home, temporary=temporary, port=port, verbose=verbose, command=command)))


def _settings() -> Settings:
    settings = load_settings()
    setup_logging(settings.log_level)
    return settings


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
