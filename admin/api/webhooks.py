"""Webhooks: who is told of the ends of jobs, and what became of each message."""

from uuid import UUID

from flask import Response, abort

from admin.api import requests, schemas
from admin.api.operations import InvalidRequest, operation
from admin.web.context import account_name, services
from shared.errors import UsageError
from shared.jobs.webhooks import Webhook, Webhooks
from shared.upkeep.webhook_post import Forbidden, check_url

_NONE = {404: "The account has no such webhook, or it has no such message."}


@operation("GET", "/webhooks", answer=schemas.Webhooks)
def list_webhooks() -> schemas.Webhooks:
    """List the webhooks of the token's account."""
    found = _webhooks().webhooks(account_name())
    return schemas.Webhooks(webhooks=[schemas.Webhook.of(webhook) for webhook in found])


@operation(
    "POST",
    "/webhooks",
    answer=schemas.MadeWebhook,
    status=201,
    body=requests.NewWebhook,
    problems={409: "The account has as many webhooks as it may."},
)
def add_webhook(body: requests.NewWebhook) -> schemas.MadeWebhook:
    """Have an address told of the end of each job, by Standard Webhooks (`job.succeeded`, `job.partial`, …).

    A message is signed with the secret of this answer; one that is not taken is sent again, ten times in three days.
    """
    try:
        check_url(body.url, private=services().settings.webhook_private_networks)
    except Forbidden as error:
        raise InvalidRequest([schemas.FieldProblem(field="url", reason=str(error))]) from error
    return schemas.made_webhook(*_webhooks().add(account_name(), body.url, owner=body.owner))


@operation("DELETE", "/webhooks/<uuid:webhook_id>", status=204, media=(), problems=_NONE)
def remove_webhook(webhook_id: UUID) -> Response:
    """Remove a webhook, with its messages."""
    _webhooks().remove(_mine(webhook_id).id)
    return Response(status=204)


@operation("POST", "/webhooks/<uuid:webhook_id>/test", answer=schemas.Delivery, problems=_NONE)
def test_webhook(webhook_id: UUID) -> schemas.Delivery:
    """Send a message of the type `webhook.test`, to try the receiver with."""
    return schemas.Delivery.of(_webhooks().test(_mine(webhook_id).id))


@operation(
    "GET",
    "/webhooks/<uuid:webhook_id>/deliveries",
    answer=schemas.Deliveries,
    query=requests.DeliveriesPage,
    problems=_NONE,
)
def webhook_deliveries(webhook_id: UUID, query: requests.DeliveriesPage) -> schemas.Deliveries:
    """List the messages to a webhook of the last 30 days, the newest first, with what became of each."""
    before = str(query.before) if query.before else None
    found = _webhooks().deliveries(_mine(webhook_id).id, limit=query.limit + 1, before=before)
    page = found[: query.limit]
    return schemas.Deliveries(
        deliveries=[schemas.Delivery.of(delivery) for delivery in page],
        next=page[-1].id if len(found) > query.limit else None,
    )


@operation(
    "POST",
    "/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/send",
    answer=schemas.Delivery,
    problems=_NONE,
)
def send_again(webhook_id: UUID, delivery_id: UUID) -> schemas.Delivery:
    """Send a message again now, whatever became of it; a receiver that had gone is told again too."""
    found = _webhooks().send_again(_mine(webhook_id).id, str(delivery_id))
    if found is None:
        abort(404)
    return schemas.Delivery.of(found)


def _mine(webhook_id: UUID) -> Webhook:
    try:
        return _webhooks().webhook(str(webhook_id), account_name())
    except UsageError:
        abort(404)


def _webhooks() -> Webhooks:
    return Webhooks(services().database)
