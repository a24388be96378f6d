"""Webhooks and their messages, as the API gives them."""

from typing import Any, Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of, time_or_none
from shared.jobs.webhooks import Delivery as DeliveryRecord
from shared.jobs.webhooks import Webhook as WebhookRecord


class Webhook(Response):
    """Who is told of the ends of jobs."""

    id: str
    url: str
    owner: str | None = Field(description="Whose jobs alone; null: all.")
    created_at: Time
    ended_at: Time | None = Field(description="When its receiver said that it is gone (410): it gets nothing more.")

    @classmethod
    def of(cls, webhook: WebhookRecord) -> Self:
        """Return a webhook as the API gives it."""
        return cls(**_webhook(webhook))


class MadeWebhook(Webhook):
    """A new webhook."""

    secret: str = Field(description="By which its messages are signed. It is shown this once.")


class Webhooks(Response):
    """The webhooks of the token's account, the newest first."""

    webhooks: list[Webhook]


class Delivery(Response):
    """A message to a webhook, and what became of it."""

    id: str = Field(description="Its header `webhook-id`, the same in each attempt.")
    kind: str = Field(description="Its `type`, such as `job.succeeded`.")
    job_id: str | None
    created_at: Time
    attempts: int
    delivered_at: Time | None
    next_at: Time | None = Field(description="Of the next attempt; null: it arrived, or was given up.")
    status: int | None = Field(description="Of the receiver's last answer.")
    error: str | None = Field(description="Why it did not arrive.")

    @classmethod
    def of(cls, delivery: DeliveryRecord) -> Self:
        """Return a message as the API gives it."""
        own = ("id", "kind", "job_id", "attempts", "status", "error")
        return cls(
            **{name: getattr(delivery, name) for name in own},
            created_at=time_of(delivery.created_at),
            delivered_at=time_or_none(delivery.delivered_at),
            next_at=time_or_none(delivery.next_at),
        )


class Deliveries(Response):
    """A page of messages to a webhook, the newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


def made_webhook(webhook: WebhookRecord, secret: str) -> MadeWebhook:
    """Return a new webhook as the API gives it."""
    return MadeWebhook(**_webhook(webhook), secret=secret)


def _webhook(webhook: WebhookRecord) -> dict[str, Any]:
    times = {name: time_or_none(getattr(webhook, name)) for name in ("created_at", "ended_at")}
    return {name: getattr(webhook, name) for name in ("id", "url", "owner")} | times
