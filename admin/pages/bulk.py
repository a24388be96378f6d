"""The pages of actions on many jobs: asking for one, following it, aborting it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain import queries
from admin.domain.job_query import JobQuery, job_query
from admin.pages.formats import capitalize_first
from admin.web.context import services, who
from admin.web.live import live_part, version_of
from shared.db.events import Actor, EventSource
from shared.errors import ItemErrorCode, UsageError
from shared.jobs import bulk_actions
from shared.jobs.bulk_actions import BulkAction, BulkKind, BulkOrder
from shared.jobs.clones import CloneChanges, changes_of_words
from shared.jobs.filters import JobFilter
from shared.jobs.records import Priority

_A_PAGE = 30
_MAX_FILTERS = 20  # more than there are
_OF_FILTER = "f-"  # before the name of a filter's value in the form

blueprint = Blueprint("bulk", __name__, url_prefix="/bulk-actions")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All actions, the newest first."""
    found = bulk_actions.bulk_actions(services().database, limit=_A_PAGE)
    return render_template("bulk_actions.html", actions=found, now=queries.now(services().database))


@blueprint.get("/<uuid:bulk_id>")
def one(bulk_id: UUID) -> ResponseReturnValue:
    """One action."""
    found = _found(bulk_id)
    return render_template("bulk_action.html", action=found, version=version_of(found), now=_now())


@blueprint.get("/<uuid:bulk_id>/live")
def live(bulk_id: UUID) -> ResponseReturnValue:
    """The part of `one` that is polled."""
    found = _found(bulk_id)
    version = version_of(found)
    return live_part(version, lambda: render_template("_bulk_action.html", action=found, version=version, now=_now()))


@blueprint.post("")
def make() -> ResponseReturnValue:
    """Ask for an action on the jobs that are chosen, or on all that fit the filter of the list."""
    try:
        order = _order()
    except (UsageError, ValueError) as error:
        flash(f"{capitalize_first(str(error))}.", "error")
        address: dict[str, Any] = _query().address()
        return redirect(url_for("jobs.index", **address))
    made = bulk_actions.ask(services().database, order, by=_actor())
    return redirect(url_for("bulk.one", bulk_id=made.id))


@blueprint.post("/<uuid:bulk_id>/abort")
def stop(bulk_id: UUID) -> ResponseReturnValue:
    """Abort an action."""
    _found(bulk_id)
    try:
        bulk_actions.abort(services().database, str(bulk_id), by=_actor())
    except UsageError as error:
        flash(str(error), "error")
    return redirect(url_for("bulk.one", bulk_id=bulk_id))


def _order() -> BulkOrder:
    """Return what the form asks for.

    Raises:
        UsageError: a value is missing or fits nothing.
        ValueError: likewise.
    """
    form = request.form
    if form.get("action", "") not in set(BulkKind):
        raise UsageError(f"choose an action: {', '.join(BulkKind)}")
    kind = BulkKind(form["action"])
    codes = [code for code in form.getlist("code") if code]
    if unknown := [code for code in codes if code not in set(ItemErrorCode)]:
        raise UsageError(f"there is no code {unknown[0][:40]!r} of a failure")
    jobs, wanted = _chosen()
    return BulkOrder(
        kind,
        jobs=jobs,
        filter=wanted,
        codes=codes if kind is BulkKind.RETRY else (),
        priority=Priority.of_word(form.get("priority", "")) if kind is BulkKind.PRIORITY else None,
        changes=_changes() if kind is BulkKind.CLONE else None,
    )


def _changes() -> CloneChanges:
    """Return what was filled in that clones have of their own.

    Raises:
        UsageError: there is no such model, or a value is out of range.
    """
    words = (request.form.get(f"clone-{name}", "").strip() for name in ("model", "threshold", "scale"))
    changes = changes_of_words(*words)
    if model := changes.get("model"):
        changes["model"] = services().repository.model_for(model)
    return changes


def _chosen() -> tuple[Sequence[str] | None, JobFilter | None]:
    if request.form.get("scope") != "all":
        jobs = request.form.getlist("job")
        if not jobs:
            raise UsageError("choose at least one job, or all that fit the filter")
        try:
            return [str(UUID(job)) for job in jobs], None
        except ValueError as error:
            raise UsageError("one of the ids is none of a job") from error
    query = _query()
    if query.problems:
        name, reason = next(iter(query.problems.items()))
        raise UsageError(f"{name}: {reason}")
    return None, query.filter


def _query() -> JobQuery:
    """The filter that the form was made for."""
    named = [name for name in request.form if name.startswith(_OF_FILTER)]
    typed = {name.removeprefix(_OF_FILTER): request.form[name] for name in named[:_MAX_FILTERS]}
    return job_query(typed, me=who(), now=_now())


def _found(bulk_id: UUID) -> BulkAction:
    try:
        return bulk_actions.bulk_action(services().database, str(bulk_id))
    except UsageError:
        abort(404)


def _actor() -> Actor:
    return Actor(who(), EventSource.PAGE)


def _now() -> float:
    return queries.now(services().database)
