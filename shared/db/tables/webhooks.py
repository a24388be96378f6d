"""The tables of webhooks: addresses, and the messages to them."""

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.tables.base import UUID_TEXT, Base, partial


class WebhookRow(Base):
    """An address that is told of the ends of jobs, see `shared.jobs.webhooks`."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(64), ForeignKey("users.name", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(64))  # signs each delivery, so it is kept as it is
    owner: Mapped[str | None] = mapped_column(String(128))  # whose jobs alone; none: all
    created_at: Mapped[float]
    ended_at: Mapped[float | None]  # when its receiver said that it is gone


class WebhookDeliveryRow(Base):
    """A message to a webhook: written in the transaction that ended its job, sent later, and again until it arrives."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("webhooks.id", ondelete="CASCADE"))
    job_id: Mapped[str | None] = mapped_column(UUID_TEXT)
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float]
    next_at: Mapped[float | None]  # of the next attempt; none: it arrived, or was given up
    attempts: Mapped[int]
    delivered_at: Mapped[float | None]
    status: Mapped[int | None]  # of the last answer
    error: Mapped[str | None] = mapped_column(Text)  # why there was none, in our own words

    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        partial("ix_webhook_deliveries_due", "next_at", where="next_at IS NOT NULL"),
    )
