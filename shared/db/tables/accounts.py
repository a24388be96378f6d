"""The tables of accounts: who may come in, how they did, and what they asked for under a key."""

from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.tables.base import UUID_TEXT, Base


class UserRow(Base):
    """An account of the admin."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)  # argon2id
    role: Mapped[str] = mapped_column(String(16), server_default="viewer")
    created_at: Mapped[float]


class TokenRow(Base):
    """A token of the HTTP API; the token itself is nowhere."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(64), ForeignKey("users.name", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)  # for people, to tell it from others of the same account
    role: Mapped[str] = mapped_column(String(16))  # the most that it may do; its account's role limits it too
    token_hash: Mapped[str] = mapped_column(String(64))  # SHA-256 of 256 random bits, which nobody can try out
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]  # to the minute

    __table_args__ = (UniqueConstraint("token_hash"), UniqueConstraint("user_name", "name"))


class LoginFailureRow(Base):
    """How often logins failed lately: from one address, or for one name."""

    __tablename__ = "login_failures"

    subject: Mapped[str] = mapped_column(String(128), primary_key=True)
    attempts: Mapped[int]
    first_at: Mapped[float]  # the count begins anew a while after this


class SessionRow(Base):
    """A login of the web: its cookie opens nothing once the row is gone."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(64), ForeignKey("users.name", ondelete="CASCADE"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64))  # SHA-256 of 256 random bits that the cookie holds
    created_at: Mapped[float]
    expires_at: Mapped[float]
    seen_at: Mapped[float]  # to the minute
    address: Mapped[str] = mapped_column(String(64))  # of the login, for people
    browser: Mapped[str] = mapped_column(String(200))  # as it calls itself, for people

    __table_args__ = (UniqueConstraint("key_hash"),)


class RequestKeyRow(Base):
    """A submission that was asked for under a key: asked for again, it is the same job."""

    __tablename__ = "request_keys"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of who, what and the key
    job_id: Mapped[str | None] = mapped_column(UUID_TEXT)  # none yet while the job is being made
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # of what was asked for
    created_at: Mapped[float]


class SavedViewRow(Base):
    """A filter of a list that an account keeps under a name."""

    __tablename__ = "saved_views"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(64), ForeignKey("users.name", ondelete="CASCADE"))
    view_of: Mapped[str] = mapped_column(String(16))  # which list
    name: Mapped[str] = mapped_column(String(64))
    query: Mapped[dict[str, Any]]  # the values of its address
    is_shared: Mapped[bool]  # with all accounts
    made_at: Mapped[float]

    __table_args__ = (UniqueConstraint("user_name", "view_of", "name"),)
