"""Webhooks: who is told of the ends of jobs, and what became of each message."""

from uuid import UUID

from flask import Response, abort

from admin.api.operations import InvalidRequest, operation
from admin.api.requests.base import Page
from admin.api.requests.webhooks import NewWebhook
from admin.api.schemas.webhooks import Deliveries, Delivery, MadeWebhook, Webhook, Webhooks, made_webhook
from admin.web.context import account_name, services
from shared.errors import UsageError
from shared.jobs import webhooks
from shared.upkeep.webhook_post import Forbidden, check_url

_NONE = {404: "The account has no such webhook, or it has no such message."}


@operation("GET", "/webhooks", answer=Webhooks)
def list_webhooks() -> Webhooks:
    """List the webhooks of the token's account."""
    found = _webhooks().webhooks(account_name())
    return Webhooks(webhooks=[Webhook.of(webhook) for webhook in found])


@operation(
    "POST",
    "/webhooks",
    answer=MadeWebhook,
    status=201,
    body=NewWebhook,
    problems={409: "The account has as many webhooks as it may."},
)
def add_webhook(body: NewWebhook) -> MadeWebhook:
    """Have an address told of the end of each job, by Standard Webhooks (`job.succeeded`, `job.partial`, …).

    A message is signed with the secret of this answer; one that is not taken is sent again, ten times in three days.
    """
    try:
        check_url(body.url, private=services().settings.webhook_private_networks)
    except Forbidden as error:
        raise InvalidRequest.of("url", str(error)) from error
    return made_webhook(*_webhooks().add(account_name(), body.url, owner=body.owner))


@operation("DELETE", "/webhooks/<uuid:webhook_id>", status=204, media=(), problems=_NONE)
def remove_webhook(webhook_id: UUID) -> Response:
    """Remove a webhook, with its messages."""
    _webhooks().remove(_mine(webhook_id).id)
    return Response(status=204)


@operation("POST", "/webhooks/<uuid:webhook_id>/test", answer=Delivery, problems=_NONE)
def test_webhook(webhook_id: UUID) -> Delivery:
    """Send a message of the type `webhook.test`, to try the receiver with."""
    return Delivery.of(_webhooks().test(_mine(webhook_id).id))


@operation(
    "GET",
    "/webhooks/<uuid:webhook_id>/deliveries",
    answer=Deliveries,
    query=Page,
    problems=_NONE,
)
def webhook_deliveries(webhook_id: UUID, query: Page) -> Deliveries:
    """List the messages to a webhook of the last 30 days, the newest first, with what became of each."""
    found = _webhooks().deliveries(_mine(webhook_id).id, limit=query.limit + 1, before=query.before_id)
    page, following = query.cut(found)
    return Deliveries(
        deliveries=[Delivery.of(delivery) for delivery in page],
        next=following,
    )


@operation(
    "POST",
    "/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/send",
    answer=Delivery,
    problems=_NONE,
)
def send_again(webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Send a message again now, whatever became of it; a receiver that had gone is told again too."""
    found = _webhooks().send_again(_mine(webhook_id).id, str(delivery_id))
    if found is None:
        abort(404)
    return Delivery.of(found)


def _mine(webhook_id: UUID) -> webhooks.Webhook:
    try:
        return _webhooks().webhook(str(webhook_id), account_name())
    except UsageError:
        abort(404)


def _webhooks() -> webhooks.Webhooks:
    return webhooks.Webhooks(services().database)
