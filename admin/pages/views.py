"""Saving and deleting the views of the lists of jobs and of images."""

from collections.abc import Mapping
from urllib.parse import parse_qsl
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain import queries
from admin.domain.job_query import job_query
from admin.domain.saved_views import ViewOf, delete_view, save_view
from admin.pages.formats import capitalize_first
from admin.web.context import account_name, services
from admin.web.delivery.uploads import visible
from admin.web.guard.auth import local_target
from shared.errors import UsageError
from shared.flows.item_words import item_words

blueprint = Blueprint("views", __name__, url_prefix="/views")


@blueprint.post("")
def save() -> ResponseReturnValue:
    """Keep what a list shows under a name; the form names the list, and has the query of its address."""
    try:
        of = ViewOf(request.form.get("of", ""))
        asked = dict(parse_qsl(request.form.get("query", "")[:4000]))
        name = visible(request.form.get("name", "")).strip()
        save_view(
            services().database, account_name(), of, name, _checked(of, asked), is_shared="shared" in request.form
        )
    except (ValueError, UsageError) as error:
        said = str(error) if isinstance(error, UsageError) else "there is no such list: save the view on its own page"
        flash(f"{capitalize_first(said)}.", "error")
    else:
        flash(f"Saved as “{name}”.")
    return _back()


@blueprint.post("/<uuid:view_id>/delete")
def delete(view_id: UUID) -> ResponseReturnValue:
    """Delete one of the account's own views."""
    try:
        delete_view(services().database, account_name(), str(view_id))
    except UsageError as error:
        flash(f"{capitalize_first(str(error))}.", "error")
    else:
        flash("The view is deleted.")
    return _back()


def _checked(of: ViewOf, asked: Mapping[str, str]) -> dict[str, str]:
    """What an address asks for, without its page.

    Raises:
        UsageError: a value does not fit.
    """
    if of is ViewOf.ITEMS:
        return dict(item_words(asked).words())
    query = job_query(asked, me=account_name(), now=queries.now(services().database))
    if query.problems:
        name, reason = next(iter(query.problems.items()))
        raise UsageError(f"{name}: {reason}")
    return query.address()


def _back() -> ResponseReturnValue:
    return redirect(local_target(request.form.get("back", "")) or url_for("jobs.index"))
