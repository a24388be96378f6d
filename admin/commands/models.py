"""`admin models`: the published models, and which of them new jobs get."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from shared.commandline import Commands, opened_services, printable, with_typed_commands
from shared.db.model_registry import Model, ModelRegistry, score_of
from shared.identity import user_at_host
from shared.tables import Column, console, print_table

_WORKERS_OWN = "new jobs use each worker's own model (MODEL_PATH)"


@click.group("models", cls=Commands)
def models_group() -> None:
    """List the published models, choose the one of new jobs, go back. Jobs that exist keep theirs."""


@models_group.command("list")
def list_command() -> None:
    """List the models, the newest first; the active one has a star."""
    with _registry() as registry:
        models, active = registry.models(), registry.active()
    if not models:
        click.echo(with_typed_commands("no model is published yet: `python -m training.publish --checkpoint FOLDER`"))
        return
    _print(models, active)
    if active is None:
        click.echo(f"none is active: {_WORKERS_OWN}")


@models_group.command("activate")
@click.argument("model")
def activate_command(model: str) -> None:
    """Make MODEL, a name or four or more digits of its SHA-256, the one of new jobs."""
    with _registry() as registry:
        activated = registry.activate(model, by=user_at_host())
    click.echo(f"new jobs use {_title(activated)}")


@models_group.command("rename")
@click.argument("model")
@click.argument("name")
def rename_command(model: str, name: str) -> None:
    """Call MODEL, a name or four or more digits of its SHA-256, NAME; jobs that have it show that too."""
    with _registry() as registry:
        renamed = registry.rename(model, name)
    click.echo(f"{renamed.sha256[:12]} is called {printable(renamed.name)}")


@models_group.command("rollback")
def rollback_command() -> None:
    """Undo the latest activation; again, the one before it."""
    with _registry() as registry:
        model = registry.rollback(by=user_at_host())
    click.echo(_WORKERS_OWN if model is None else f"new jobs use {_title(model)}")


@contextmanager
def _registry() -> Iterator[ModelRegistry]:
    with opened_services() as services:
        yield ModelRegistry(services.database, services.store)


def _print(models: list[Model], active: Model | None) -> None:
    columns = [
        Column(""), Column("SHA-256"), Column("name", wraps=True),
        Column("val Dice", right=True), Column("clean Dice", right=True, goes=1), Column("published", goes=2),
        Column("by", goes=3),
    ]  # fmt: skip
    rows = []
    for model in models:
        metrics = model.summary.get("metrics", {})
        rows.append(
            (
                "*" if active is not None and model.sha256 == active.sha256 else "",
                model.sha256[:12],
                printable(model.name),
                _dice(metrics, "val"),
                _dice(metrics, "clean"),
                f"{datetime.fromtimestamp(model.published_at, UTC):%Y-%m-%d %H:%M} UTC",
                printable(model.published_by),
            )
        )
    print_table(console(), columns, rows, boxed=False)


def _dice(metrics: Any, name: str) -> str:
    """The Dice of a set, a dash where the checkpoint was not scored on it."""
    score = score_of(metrics, name)
    return "–" if score is None else f"{score.dice:.4f}"


def _title(model: Model) -> str:
    return f"{model.sha256[:12]} {model.name}"
