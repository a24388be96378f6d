"""The pages of an account's own webhooks: what was told to whom, and what became of it. The API makes them."""

from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from admin.domain import queries
from admin.web.context import account_name, services
from shared.errors import UsageError
from shared.jobs.webhooks import Webhook, Webhooks

_MESSAGES_A_PAGE = 50

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The account's webhooks, each with its latest message."""
    found = _webhooks().webhooks(account_name())
    latest = {webhook.id: next(iter(_webhooks().deliveries(webhook.id, limit=1)), None) for webhook in found}
    return render_template("webhooks.html", webhooks=found, latest=latest, now=queries.now(services().database))


@blueprint.get("/<uuid:webhook_id>")
def deliveries(webhook_id: UUID) -> ResponseReturnValue:
    """The messages to one, the newest first, in pages by key."""
    webhook = _mine(webhook_id)
    found = _webhooks().deliveries(webhook.id, limit=_MESSAGES_A_PAGE + 1, before=_before())
    return render_template(
        "webhook.html",
        webhook=webhook,
        deliveries=found[:_MESSAGES_A_PAGE],
        older=found[_MESSAGES_A_PAGE - 1].id if len(found) > _MESSAGES_A_PAGE else None,
        now=queries.now(services().database),
    )


@blueprint.post("/<uuid:webhook_id>/test")
def test(webhook_id: UUID) -> ResponseReturnValue:
    """Have a message sent that says nothing, to try the receiver with."""
    webhook = _mine(webhook_id)
    _webhooks().test(webhook.id)
    flash("A message of the type webhook.test goes out within some seconds.")
    return redirect(url_for("webhooks.deliveries", webhook_id=webhook.id))


@blueprint.post("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/send")
def send_again(webhook_id: UUID, delivery_id: UUID) -> ResponseReturnValue:
    """Have a message sent again, whatever became of it."""
    webhook = _mine(webhook_id)
    if _webhooks().send_again(webhook.id, str(delivery_id)) is None:
        abort(404)
    flash("It is sent again within some seconds.")
    return redirect(url_for("webhooks.deliveries", webhook_id=webhook.id))


def _before() -> str | None:
    try:
        return str(UUID(request.args["before"])) if "before" in request.args else None
    except ValueError as error:
        raise BadRequest from error


def _mine(webhook_id: UUID) -> Webhook:
    try:
        return _webhooks().webhook(str(webhook_id), account_name())
    except UsageError:
        abort(404)


def _webhooks() -> Webhooks:
    return Webhooks(services().database)
