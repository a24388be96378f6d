"""The page of models: what is published, and which of it new jobs get."""

import json
from functools import cache
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from admin.domain import queries
from admin.web.context import account, services
from shared.config import DEFAULT_MODEL
from shared.db.model_registry import Model, ModelRegistry, score_of
from shared.errors import UsageError

blueprint = Blueprint("models", __name__, url_prefix="/models")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All published models, the newest first."""
    registry = _registry()
    return render_template(
        "models.html",
        models=registry.models(),
        active=registry.active(),
        shipped=_shipped(),
        score_of=score_of,
        now=queries.now(services().database),
    )


@blueprint.post("/<sha256>/activate")
def activate(sha256: str) -> ResponseReturnValue:
    """Make a model the one of new jobs."""
    try:
        _done(_registry().activate(sha256, by=_who()))
    except UsageError as error:
        flash(str(error), "error")
    return redirect(url_for("models.index"))


@blueprint.post("/rollback")
def rollback() -> ResponseReturnValue:
    """Undo the latest activation."""
    try:
        _done(_registry().rollback(by=_who()))
    except UsageError as error:
        flash(str(error), "error")
    return redirect(url_for("models.index"))


@cache
def _shipped() -> dict[str, Any] | None:
    """Return the description of the model that comes with the code, None where there is none."""
    try:
        described = json.loads((DEFAULT_MODEL / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return described if isinstance(described, dict) else None


def _registry() -> ModelRegistry:
    return ModelRegistry(services().database, services().store)


def _who() -> str:
    found = account()
    return "" if found is None else f"{found.name} (web)"


def _done(active: Model | None) -> None:
    flash(f"New jobs use {active.name}." if active else "New jobs use each worker's own model.")
