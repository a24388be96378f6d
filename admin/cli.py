"""The `admin` command: parses and prints, nothing else."""

from pathlib import Path

import click

from admin.commands import processes as commands
from admin.commands.access import asked_password, tokens_group, users_group, wants_tokens_revoked
from admin.commands.audit import audit_command
from admin.commands.models import models_group
from admin.commands.prune import prune_command
from admin.commands.settings import settings_command
from shared.commandline import ExitCode, Program, exit_codes_help, opened_services
from shared.errors import ConfigurationError
from shared.logs import setup_logging
from shared.version import code_version

_EXIT_CODES_HELP = exit_codes_help({ExitCode.SOME_FAILED: "an audit found something"})


@click.group("admin", cls=Program, epilog=_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(code_version(), prog_name="admin")
def main() -> None:
    """Run and look after Delineate: the web admin, the reconciler, the database, the embedded stack."""


main.add_command(models_group)
main.add_command(audit_command)
main.add_command(users_group)
main.add_command(tokens_group)
main.add_command(prune_command)
main.add_command(settings_command)


@main.command("serve")
def serve_command() -> None:
    """Serve the web admin on ADMIN_HOST:ADMIN_PORT."""
    from admin.serving.lanes import THREADS

    with opened_services(check=False, connections=THREADS) as services:
        commands.serve(services)


@main.command("migrate")
@click.option("--wait", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for the services.")
def migrate_command(wait: float) -> None:
    """Bring the database to this version and make the bucket; safe to repeat."""
    with opened_services(check=False) as services:
        commands.prepare(services, wait=wait)
    click.echo("database and object store are ready")


@main.command("reconcile")
def reconcile_command() -> None:
    """Run the reconciler: frees lost leases, sends lost hints, ends finished jobs."""
    with opened_services(check=False) as services:
        commands.reconcile(services)


@main.command("set-password")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--revoke-tokens", is_flag=True, help="Revoke the account's tokens as well.")
def set_password_command(name: str, from_stdin: bool, revoke_tokens: bool) -> None:
    """Set the password of the account NAME, making the account, as an operator, if there is none.

    Its sessions end. Its tokens stay, unless they are revoked too; a terminal asks.
    """
    from admin.domain.accounts import set_password

    password = asked_password(from_stdin)
    with opened_services() as services:
        revoke = revoke_tokens or wants_tokens_revoked(services.database, name, ask=not from_stdin)
        set_password(services.database, name, password, revoke_tokens=revoke)
    click.echo(f"password of {name} set{', its tokens are revoked' if revoke else ''}")


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

    With `-- COMMAND…`, run COMMAND against it once it is ready, then stop everything and end with COMMAND's own code.
    """
    try:
        from admin.standalone import Options, run
    except ImportError as error:
        raise ConfigurationError(
            f"the embedded stack needs more packages ({error.name}): pip install 'delineate[standalone]'"
        ) from error
    setup_logging("WARNING")  # its own lines are for people; those of its parts go through it
    context.exit(run(Options(home=home, temporary=temporary, port=port, verbose=verbose, command=command)))


if __name__ == "__main__":
    main()
