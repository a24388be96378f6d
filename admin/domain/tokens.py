"""The tokens of the HTTP API: 256 random bits each, of which only the SHA-256 is kept.

A fast hash is right here, unlike for passwords: nobody can try out 256 random bits. A token belongs to an account and
may do what both its own role and its account's role allow, so a demoted account's tokens are demoted with it.
"""

import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exc, func, insert, or_, select, update

from admin.domain.accounts import Account
from admin.domain.roles import Role
from shared.db.database import Database, db_now
from shared.db.tables.accounts import TokenRow, UserRow
from shared.db.tables.base import new_id
from shared.errors import DatabaseFull, UsageError

MAX_NAME_LENGTH = 64  # characters
MAX_TOKENS = 50  # of an account
MAX_LIFE_DAYS = 3650
DEFAULT_LIFE_DAYS = 90
_DAY_SECONDS = 86400
_USE_NOTED_EVERY_SECONDS = 60  # not a write for each request

# The prefix lets scanners for leaked secrets find one.
_PREFIX = "dln_"
_TOKEN = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True)
class Token:
    """What is known of a token. Times are Unix seconds."""

    id: str
    user_name: str
    name: str
    role: Role
    created_at: float
    expires_at: float | None
    last_used_at: float | None


@dataclass(frozen=True)
class Bearer:
    """Who shows a token: the account, and what this token lets it do."""

    account: Account
    token: Token

    @property
    def role(self) -> Role:
        """The lesser of the token's and the account's role."""
        return self.token.role.at_most(self.account.role)


_COLUMNS = (
    TokenRow.id, TokenRow.user_name, TokenRow.name, TokenRow.role, TokenRow.created_at, TokenRow.expires_at,
    TokenRow.last_used_at,
)  # fmt: skip


def create(database: Database, user_name: str, name: str, role: Role, *, days: int | None = DEFAULT_LIFE_DAYS) -> str:
    """Make a token of an account and return it, the only time that it can be seen.

    It is valid for so many days, or without end where `days` is None.

    Raises:
        UsageError: there is no such account, it has a token of this name or too many, or a value is out of its range.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise UsageError(f"a token's name has 1 to {MAX_NAME_LENGTH} printable characters, without space around them")
    if days is not None and not 1 <= days <= MAX_LIFE_DAYS:
        raise UsageError(f"a token lives 1 to {MAX_LIFE_DAYS:,} days, or without end")
    token = _PREFIX + secrets.token_urlsafe(32)
    try:
        with database.write() as connection:
            # Its row is locked, so that the number of its tokens cannot grow meanwhile.
            owner = select(UserRow.role).where(UserRow.name == user_name).with_for_update()
            owner_role = connection.execute(owner).scalar_one_or_none()
            if owner_role is None:
                raise UsageError(f"there is no account {user_name}: `admin users list` shows them")
            if role.at_most(Role(owner_role)) is not role:
                raise UsageError(f"a {owner_role}'s tokens may do no more than it may: choose {owner_role}")
            count = select(func.count()).select_from(TokenRow).where(TokenRow.user_name == user_name)
            if connection.execute(count).scalar_one() >= MAX_TOKENS:
                raise UsageError(f"an account has at most {MAX_TOKENS} tokens: revoke some first")
            connection.execute(
                insert(TokenRow).values(
                    id=new_id(),
                    user_name=user_name,
                    name=name,
                    role=role,
                    token_hash=_hash(token),
                    created_at=db_now(),
                    expires_at=None if days is None else db_now() + days * _DAY_SECONDS,
                )
            )
    except exc.IntegrityError as error:
        raise UsageError(f"a token of {user_name} is named {name} already: take another name, or revoke it") from error
    return token


def tokens(database: Database, user_name: str | None = None) -> list[Token]:
    """Return the tokens of an account, or of all, the newest first."""
    query = select(*_COLUMNS).order_by(TokenRow.id.desc())
    if user_name is not None:
        query = query.where(TokenRow.user_name == user_name)
    with database.read() as connection:
        return [_token(row) for row in connection.execute(query)]


def revoke(database: Database, token_id: str, *, user_name: str | None = None) -> None:
    """Remove a token (of this account), which opens nothing from now on.

    Raises:
        UsageError: there is no such token (of this account).
    """
    chosen = delete(TokenRow).where(TokenRow.id == token_id)
    if user_name is not None:
        chosen = chosen.where(TokenRow.user_name == user_name)
    with database.write() as connection:
        if not connection.execute(chosen).rowcount:
            raise UsageError(f"there is no token {token_id}: `admin tokens list` shows them")


def looks_like_one(text: str) -> bool:
    """Whether a text has the form of a token; only `bearer` knows whether it is one."""
    return _TOKEN.fullmatch(text) is not None


def bearer(database: Database, token: str) -> Bearer | None:
    """Return who shows this token; None where it is none, was revoked or has expired. Notes that it was used."""
    if not looks_like_one(token):
        return None
    alive = or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > db_now())
    # Found by its hash: how long the search takes tells nothing about the token.
    query = (
        select(
            *_COLUMNS, UserRow.password_hash, UserRow.role.label("account_role"), UserRow.created_at.label("joined_at"),
            (func.coalesce(TokenRow.last_used_at, 0.0) < db_now() - _USE_NOTED_EVERY_SECONDS).label("note_use"),
        )
        .join(UserRow, UserRow.name == TokenRow.user_name)
        .where(TokenRow.token_hash == _hash(token), alive)
    )  # fmt: skip
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.note_use:
        # A disk that is full keeps nobody from looking.
        with suppress(DatabaseFull), database.write() as connection:
            connection.execute(update(TokenRow).where(TokenRow.id == row.id).values(last_used_at=db_now()))
    account = Account(row.user_name, row.password_hash, Role(row.account_role), row.joined_at)
    return Bearer(account, _token(row))


def _token(row: Any) -> Token:
    return Token(row.id, row.user_name, row.name, Role(row.role), row.created_at, row.expires_at, row.last_used_at)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
