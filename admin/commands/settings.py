"""`admin settings`: what is in force here, beside the defaults."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import SecretStr

from shared.config import CHECKOUT, Settings, environment_example, load_settings, settings_table, shown_default
from shared.tables import Column, console, print_table

# From the user's name to the last @, since an address that is written wrongly holds pieces of its password anywhere.
_PASSWORD = re.compile(r"(?<=://)([^/:@\s]*):\S*@")
_COLUMNS = (
    Column("setting"),
    Column("in force", wraps=True),
    Column("default", wraps=True, goes=2),
    Column("", goes=1),
)


@click.command("settings")
@click.option(
    "--markdown", "as_markdown", is_flag=True, help="Print defaults, units and meanings, as in docs/settings.md."
)
@click.option("--env", "as_environment", is_flag=True, help="Print them in the form of .env.example.")
def settings_command(as_markdown: bool, as_environment: bool) -> None:
    """Print the settings that are in force here, secrets hidden, beside their defaults."""
    if as_markdown or as_environment:
        click.echo(environment_example() if as_environment else settings_table(), nl=False)
        return
    print_table(console(), _COLUMNS, list(in_force(load_settings())), boxed=False)


def in_force(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, value, default, and a word for those that differ; of a secret only whether it is set."""
    for name, field in Settings.model_fields.items():
        shown, default = _shown(getattr(settings, name)), shown_default(field)
        yield name.upper(), shown, default, "changed" if shown != default else ""


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    if isinstance(value, Path) and value.is_relative_to(CHECKOUT):
        value = value.relative_to(CHECKOUT)
    return "" if value is None else _PASSWORD.sub(r"\1:***@", str(value))
