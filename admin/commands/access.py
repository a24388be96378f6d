"""`admin users` and `admin tokens`: who may do what."""

import sys
from datetime import UTC, datetime

import click

from admin.domain.roles import Role
from shared.commandline import Commands, opened_services, printable
from shared.db.database import Database
from shared.errors import UsageError
from shared.tables import Column, console, print_table

_ROLES = [role.value for role in Role]


def asked_password(from_stdin: bool) -> str:
    """Return a new password, typed twice or read from standard input."""
    if from_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    if not password:
        raise UsageError("an empty password is not accepted")
    return str(password)


def wants_tokens_revoked(database: Database, name: str, *, ask: bool) -> bool:
    """Return whether an account's tokens shall go with its old password; says how many there are."""
    from admin.domain.tokens import tokens

    count = len(tokens(database, name))
    if not count:
        return False
    some = f"{name} has {count} token{'s' if count > 1 else ''}"
    if ask and sys.stdin.isatty():
        return click.confirm(f"{some}. Revoke {'them' if count > 1 else 'it'} too?", default=False)
    click.echo(f"{some}, still valid: --revoke-tokens revokes all, `admin tokens list` shows them", err=True)
    return False


@click.group("users", cls=Commands)
def users_group() -> None:
    """List, add and remove accounts, and say what they may do. `admin set-password` changes a password."""


@users_group.command("list")
def list_users_command() -> None:
    """List the accounts."""
    from admin.domain.accounts import accounts

    with opened_services() as services:
        found = accounts(services.database)
    columns = [Column("name", wraps=True), Column("role"), Column("since", goes=1)]
    rows = [(printable(account.name), account.role, _time(account.created_at)) for account in found]
    print_table(console(), columns, rows, boxed=False)


@users_group.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="viewer", show_default=True, help="What it may do.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def add_user_command(name: str, role: str, from_stdin: bool) -> None:
    """Make an account."""
    from admin.domain.accounts import add

    password = asked_password(from_stdin)
    with opened_services() as services:
        add(services.database, name, password, Role(role))
    click.echo(f"{name} can log in, as {role}")


@users_group.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
def role_command(name: str, role: str) -> None:
    """Give an account another role; it holds at once, for its tokens too."""
    from admin.domain.accounts import set_role

    with opened_services() as services:
        set_role(services.database, name, Role(role))
    click.echo(f"{name} is {role}")


@users_group.command("remove")
@click.argument("name")
def remove_user_command(name: str) -> None:
    """Remove an account with its sessions and tokens; its jobs stay."""
    from admin.domain.accounts import remove

    with opened_services() as services:
        remove(services.database, name)
    click.echo(f"{name} is removed")


@click.group("tokens", cls=Commands)
def tokens_group() -> None:
    """Make, list and revoke the tokens of the HTTP API."""


@tokens_group.command("create")
@click.argument("user")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="viewer", show_default=True, help="The most it may do.")
@click.option("--days", type=int, default=90, show_default=True, help="Days until it expires.")
@click.option("--forever", is_flag=True, help="It holds until it is revoked.")
def create_token_command(user: str, name: str, role: str, days: int, forever: bool) -> None:
    """Make a token of the account USER, called NAME, and print it: it cannot be shown again."""
    from admin.domain.tokens import create

    with opened_services() as services:
        token = create(services.database, user, name, Role(role), days=None if forever else days)
    click.echo(token)


@tokens_group.command("list")
@click.option("--user", help="Only those of this account.")
def list_tokens_command(user: str | None) -> None:
    """List the tokens, the newest first."""
    from admin.domain.tokens import tokens

    with opened_services() as services:
        found = tokens(services.database, user)
    columns = [
        Column("id"), Column("user", wraps=True), Column("name", wraps=True), Column("role"),
        Column("made", goes=3), Column("last used", goes=2), Column("expires", goes=1),
    ]  # fmt: skip
    rows = [
        (
            token.id,
            printable(token.user_name),
            printable(token.name),
            token.role,
            _time(token.created_at),
            _time(token.last_used_at),
            _time(token.expires_at),
        )
        for token in found
    ]
    print_table(console(), columns, rows, boxed=False)


@tokens_group.command("revoke")
@click.argument("token_id", metavar="ID")
def revoke_token_command(token_id: str) -> None:
    """Revoke the token with this ID: it opens nothing from now on."""
    from admin.domain.tokens import revoke

    with opened_services() as services:
        revoke(services.database, token_id)
    click.echo(f"{token_id} is revoked")


def _time(timestamp: float | None) -> str:
    return "never" if timestamp is None else f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"
