"""The logins of the web: a row for each, which the browser's cookie names by 256 random bits.

A login ends LASTS_SECONDS after it began, however much it is used, or with its row: by logging out, by being revoked,
by a new password, or with its account. A copy of the cookie then opens nothing.
"""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from admin.domain.accounts import Account
from admin.domain.roles import Role
from shared.db.database import Database, db_now
from shared.db.tables.accounts import SessionRow, UserRow
from shared.db.tables.base import new_id
from shared.errors import DatabaseFull, UsageError

LASTS_SECONDS = 12 * 3600
MAX_SESSIONS = 50  # of an account; the oldest make room
_SEEN_NOTED_EVERY_SECONDS = 60  # not a write for each request
_MAX_ADDRESS_LENGTH, _MAX_BROWSER_LENGTH = 64, 200  # characters


@dataclass(frozen=True)
class Session:
    """What is known of a login. Times are Unix seconds."""

    id: str
    user_name: str
    created_at: float
    expires_at: float
    seen_at: float
    address: str
    browser: str


@dataclass(frozen=True)
class Visitor:
    """Who shows a session's key."""

    account: Account
    session: Session


_COLUMNS = (
    SessionRow.id, SessionRow.user_name, SessionRow.created_at, SessionRow.expires_at, SessionRow.seen_at,
    SessionRow.address, SessionRow.browser,
)  # fmt: skip


def begin(database: Database, user_name: str, *, address: str = "", browser: str = "") -> str:
    """Write down a login of an account; return the key that its cookie shall hold."""
    key = secrets.token_urlsafe(32)
    with database.write() as connection:
        connection.execute(delete(SessionRow).where(SessionRow.expires_at <= db_now()))
        connection.execute(
            insert(SessionRow).values(
                id=new_id(),
                user_name=user_name,
                key_hash=_hash(key),
                created_at=db_now(),
                expires_at=db_now() + LASTS_SECONDS,
                seen_at=db_now(),
                address=_shown(address, _MAX_ADDRESS_LENGTH),
                browser=_shown(browser, _MAX_BROWSER_LENGTH),
            )
        )
        newest = select(SessionRow.id).where(SessionRow.user_name == user_name).order_by(SessionRow.id.desc())
        kept = connection.execute(newest.limit(MAX_SESSIONS)).scalars().all()
        _end(connection, user_name, SessionRow.id.not_in(kept))
    return key


def visitor(database: Database, key: str) -> Visitor | None:
    """Return who shows this key; None where the login has ended. Notes that it was seen."""
    query = (
        select(
            *_COLUMNS, UserRow.password_hash, UserRow.role, UserRow.created_at.label("joined_at"),
            (SessionRow.seen_at < db_now() - _SEEN_NOTED_EVERY_SECONDS).label("note_it"),
        )
        .join(UserRow, UserRow.name == SessionRow.user_name)
        .where(SessionRow.key_hash == _hash(key), SessionRow.expires_at > db_now())
    )  # fmt: skip
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.note_it:
        # A disk that is full keeps nobody from looking.
        with suppress(DatabaseFull), database.write() as connection:
            connection.execute(update(SessionRow).where(SessionRow.id == row.id).values(seen_at=db_now()))
    return Visitor(Account(row.user_name, row.password_hash, Role(row.role), row.joined_at), _session(row))


def sessions(database: Database, user_name: str) -> list[Session]:
    """Return the logins of an account that have not ended, the newest first."""
    query = select(*_COLUMNS).where(SessionRow.user_name == user_name, SessionRow.expires_at > db_now())
    with database.read() as connection:
        return [_session(row) for row in connection.execute(query.order_by(SessionRow.id.desc()))]


def end(database: Database, session_id: str, *, user_name: str) -> None:
    """End a login of this account.

    Raises:
        UsageError: there is no such login of this account.
    """
    with database.write() as connection:
        if not _end(connection, user_name, SessionRow.id == session_id):
            raise UsageError(f"there is no session {session_id}: it may have ended already")


def end_others(database: Database, user_name: str, *, but: str | None = None) -> int:
    """End all logins of an account but the one with the id `but`; return how many."""
    with database.write() as connection:
        return _end(connection, user_name, SessionRow.id.is_not(None) if but is None else SessionRow.id != but)


def _end(connection: Connection, user_name: str, which: Any) -> int:
    return connection.execute(delete(SessionRow).where(SessionRow.user_name == user_name, which)).rowcount


def _session(row: Any) -> Session:
    return Session(row.id, row.user_name, row.created_at, row.expires_at, row.seen_at, row.address, row.browser)


def _shown(text: str, length: int) -> str:
    """A text of the client's as it may be stored and shown: printable, and not long."""
    return "".join(character for character in text[:length] if character.isprintable())


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
