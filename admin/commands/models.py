"""`admin models`: the published models, and which of them new jobs get."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.commandline import opened_services
from shared.db.model_registry import Model, ModelRegistry
from shared.identity import user_at_host

_WORKERS_OWN = "new jobs use each worker's own model (MODEL_PATH)"


@click.group("models")
def models_group() -> None:
    """List the published models, choose the one of new jobs, go back. Jobs that exist keep theirs."""


@models_group.command("list")
def list_command() -> None:
    """List the models, the newest first; the active one has a star."""
    with _registry() as registry:
        models, active = registry.models(), registry.active()
    if not models:
        click.echo("no model is published yet: `python -m training.publish --checkpoint FOLDER`")
        return
    Console().print(_table(models, active))
    if active is None:
        click.echo(f"none is active: {_WORKERS_OWN}")


@models_group.command("activate")
@click.argument("sha")
def activate_command(sha: str) -> None:
    """Make the model whose SHA-256 begins with SHA (four digits or more) the one of new jobs."""
    with _registry() as registry:
        model = registry.activate(sha, by=user_at_host())
    click.echo(f"new jobs use {_title(model)}")


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


def _table(models: list[Model], active: Model | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "SHA-256", "name", "val Dice", "clean Dice", "published", "by"):
        table.add_column(heading, justify="right" if "Dice" in heading else "left")
    for model in models:
        metrics = model.summary.get("metrics", {})
        table.add_row(
            "*" if active is not None and model.sha256 == active.sha256 else "",
            model.sha256[:12],
            Text(model.name),
            _dice(metrics, "val"),
            _dice(metrics, "clean"),
            f"{datetime.fromtimestamp(model.published_at, UTC):%Y-%m-%d %H:%M} UTC",
            Text(model.published_by),
        )
    return table


def _dice(metrics: dict[str, Any], name: str) -> str:
    """The Dice of a set of the benchmark, a dash where the checkpoint was not scored on it."""
    scores = metrics.get(name)
    value = scores.get("dice") if isinstance(scores, dict) else None
    return f"{value:.4f}" if isinstance(value, float) else "–"


def _title(model: Model) -> str:
    return f"{model.sha256[:12]} {model.name}"
