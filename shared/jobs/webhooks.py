"""Who is told of the ends of jobs: addresses, and the outbox of messages to them.

A message is written in the transaction that ends its job, so that there is none without the other;
`shared.upkeep.webhooks` sends what is due. Its form is that of Standard Webhooks 1.0.0.
"""

import base64
import json
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from shared.db.database import Database, db_now
from shared.db.tables.accounts import UserRow
from shared.db.tables.base import new_id
from shared.db.tables.jobs import JobRow
from shared.db.tables.webhooks import WebhookDeliveryRow, WebhookRow
from shared.errors import UsageError
from shared.jobs.state import ItemCounts, JobStatus

MAX_WEBHOOKS = 20  # of an account
KEPT_SECONDS = 30 * 86400.0
KEY_PREFIX = "whsec_"
"""What the text of a secret begins with."""
_SECRET_BYTES = 32
_TEST = "webhook.test"


@dataclass(frozen=True)
class Webhook:
    """An address that is told of the ends of jobs. Times are Unix seconds."""

    id: str
    user_name: str
    url: str
    owner: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True)
class Delivery:
    """A message and what became of it."""

    id: str
    webhook_id: str
    job_id: str | None
    kind: str
    created_at: float
    next_at: float | None
    attempts: int
    delivered_at: float | None
    status: int | None
    error: str | None


@dataclass(frozen=True)
class DueDelivery:
    """A message to be sent now, as its sender needs it."""

    id: str
    webhook_id: str
    url: str
    secret: str
    body: str
    attempts: int


_WEBHOOK_COLUMNS = [getattr(WebhookRow, field.name) for field in fields(Webhook)]
_DELIVERY_COLUMNS = [getattr(WebhookDeliveryRow, field.name) for field in fields(Delivery)]


def announce_end(connection: Connection, job_id: str, state: JobStatus, counts: ItemCounts) -> None:
    """Write the messages of a job's end into the transaction that ends it."""
    job = select(JobRow.name, JobRow.kind, JobRow.owner).where(JobRow.id == job_id).subquery()
    wanted = or_(WebhookRow.owner.is_(None), WebhookRow.owner == job.c.owner)
    query = select(WebhookRow.id, job.c.name, job.c.kind, db_now().label("now")).where(
        WebhookRow.ended_at.is_(None), wanted
    )
    told = connection.execute(query).all()
    if not told:
        return
    data = {
        "id": job_id,
        "name": told[0].name[:1000],
        "kind": told[0].kind,
        "state": state.value,
        "counts": {field.name: getattr(counts, field.name) for field in fields(counts)} | {"total": counts.total},
        "url": f"/api/v1/jobs/{job_id}",
    }
    kind = f"job.{state.value}"
    body = _body(kind, told[0].now, data)
    connection.execute(insert(WebhookDeliveryRow), [_row(row.id, kind, body, row.now, job_id) for row in told])


class Webhooks:
    """The webhooks of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, user_name: str, url: str, *, owner: str | None = None) -> tuple[Webhook, str]:
        """Make a webhook, and return it with its secret, the only time that it is shown.

        Raises:
            UsageError: the account has too many.
        """
        secret = KEY_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        webhook_id = new_id()
        with self.database.write() as connection:
            # Its row is locked, so that the number of its webhooks cannot grow meanwhile.
            connection.execute(select(UserRow.name).where(UserRow.name == user_name).with_for_update())
            mine = select(func.count()).select_from(WebhookRow).where(WebhookRow.user_name == user_name)
            if connection.execute(mine).scalar_one() >= MAX_WEBHOOKS:
                raise UsageError(f"an account has at most {MAX_WEBHOOKS} webhooks: remove some first")
            connection.execute(
                insert(WebhookRow).values(
                    id=webhook_id, user_name=user_name, url=url, secret=secret, owner=owner, created_at=db_now()
                )
            )
        return self.webhook(webhook_id, user_name), secret

    def webhook(self, webhook_id: str, user_name: str) -> Webhook:
        """Return a webhook of an account.

        Raises:
            UsageError: it has none of this id.
        """
        found = [webhook for webhook in self.webhooks(user_name) if webhook.id == webhook_id]
        if not found:
            raise UsageError("there is no such webhook: GET /webhooks lists them")
        return found[0]

    def webhooks(self, user_name: str) -> list[Webhook]:
        """Return the webhooks of an account, the newest first."""
        query = select(*_WEBHOOK_COLUMNS).where(WebhookRow.user_name == user_name).order_by(WebhookRow.id.desc())
        with self.database.read() as connection:
            return [Webhook(**row._mapping) for row in connection.execute(query)]

    def remove(self, webhook_id: str) -> None:
        """Remove a webhook, with its messages."""
        with self.database.write() as connection:
            connection.execute(delete(WebhookDeliveryRow).where(WebhookDeliveryRow.webhook_id == webhook_id))
            connection.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))

    def test(self, webhook_id: str) -> Delivery:
        """Write a message that says nothing, to try the receiver with."""
        with self.database.write() as connection:
            now = float(connection.execute(select(db_now())).scalar_one())
            row = _row(webhook_id, _TEST, _body(_TEST, now, {}), now, None)
            connection.execute(insert(WebhookDeliveryRow), [row])
            query = select(*_DELIVERY_COLUMNS).where(WebhookDeliveryRow.id == row["id"])
            return Delivery(**connection.execute(query).one()._mapping)

    def deliveries(self, webhook_id: str, *, limit: int, before: str | None = None) -> list[Delivery]:
        """Return the messages to a webhook, the newest first; `before` is the last id of the page before."""
        query = select(*_DELIVERY_COLUMNS).where(WebhookDeliveryRow.webhook_id == webhook_id)
        if before is not None:
            query = query.where(WebhookDeliveryRow.id < before)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(WebhookDeliveryRow.id.desc()).limit(limit))
            return [Delivery(**row._mapping) for row in rows]

    def send_again(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Have a message sent now, whatever became of it, with all attempts anew; None where there is none."""
        fresh = {"next_at": db_now(), "attempts": 0, "delivered_at": None, "status": None, "error": None}
        of_this = (WebhookDeliveryRow.id == delivery_id, WebhookDeliveryRow.webhook_id == webhook_id)
        with self.database.write() as connection:
            connection.execute(update(WebhookDeliveryRow).where(*of_this).values(**fresh))
            connection.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(ended_at=None))
            row = connection.execute(select(*_DELIVERY_COLUMNS).where(*of_this)).one_or_none()
        return None if row is None else Delivery(**row._mapping)

    # -- sending ---------------------------------------------------------------------------------------------

    def take_due(self, *, limit: int, lease: float) -> list[DueDelivery]:
        """Return messages that are due; nobody else takes them for `lease` seconds."""
        due = WebhookDeliveryRow.next_at.is_not(None) & (WebhookDeliveryRow.next_at <= db_now())
        chosen = (
            select(WebhookDeliveryRow.id, WebhookDeliveryRow.next_at)
            .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
            .where(due, WebhookRow.ended_at.is_(None))
            .order_by(WebhookDeliveryRow.next_at)
            .limit(limit)
        )
        with self.database.read() as connection:  # most of the time there is nothing to write
            found = connection.execute(chosen).all()
        taken = []
        for row in found:
            with self.database.write() as connection:
                mine = (WebhookDeliveryRow.id == row.id, WebhookDeliveryRow.next_at == row.next_at)
                later = update(WebhookDeliveryRow).where(*mine).values(next_at=db_now() + lease)
                if connection.execute(later).rowcount:
                    taken.append(_due(connection, row.id))
        return taken

    def arrived(self, delivery: DueDelivery, status: int) -> None:
        """Note that the receiver has taken a message."""
        done = {"delivered_at": db_now(), "next_at": None, "status": status, "error": None}
        self._settle(delivery, done)

    def failed(self, delivery: DueDelivery, *, status: int | None, error: str, again_in: float | None) -> None:
        """Note that a message was not taken, and when it is sent again; None gives it up."""
        again = None if again_in is None else db_now() + again_in
        self._settle(delivery, {"next_at": again, "status": status, "error": error})

    def end(self, webhook_id: str) -> None:
        """Note that a receiver says that it is gone: it gets nothing more."""
        with self.database.write() as connection:
            connection.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(ended_at=db_now()))

    def forget_old(self) -> int:
        """Remove messages that are not to be sent and older than KEPT_SECONDS, and return how many."""
        gone = WebhookDeliveryRow.webhook_id.in_(select(WebhookRow.id).where(WebhookRow.ended_at.is_not(None)))
        rests = WebhookDeliveryRow.next_at.is_(None) | gone
        old = (rests, WebhookDeliveryRow.created_at < db_now() - KEPT_SECONDS)
        with self.database.write() as connection:
            return connection.execute(delete(WebhookDeliveryRow).where(*old)).rowcount

    def _settle(self, delivery: DueDelivery, values: dict[str, Any]) -> None:
        with self.database.write() as connection:
            attempted = {"attempts": WebhookDeliveryRow.attempts + 1}
            of_this = WebhookDeliveryRow.id == delivery.id
            connection.execute(update(WebhookDeliveryRow).where(of_this).values(**values, **attempted))


def _due(connection: Connection, delivery_id: str) -> DueDelivery:
    query = (
        select(
            WebhookDeliveryRow.id,
            WebhookDeliveryRow.webhook_id,
            WebhookRow.url,
            WebhookRow.secret,
            WebhookDeliveryRow.body,
            WebhookDeliveryRow.attempts,
        )
        .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
        .where(WebhookDeliveryRow.id == delivery_id)
    )
    return DueDelivery(**connection.execute(query).one()._mapping)


def _row(webhook_id: str, kind: str, body: str, now: float, job_id: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "webhook_id": webhook_id,
        "job_id": job_id,
        "kind": kind,
        "body": body,
        "created_at": now,
        "next_at": now,
        "attempts": 0,
    }


def _body(kind: str, now: float, data: dict[str, Any]) -> str:
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"type": kind, "timestamp": stamp, "data": data}, separators=(",", ":"))
