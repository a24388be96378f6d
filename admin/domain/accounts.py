"""The accounts of the admin: argon2id hashes and roles in the users table.

There is no default password. A password has 12 to 256 characters, differs from the account's name and is none that a
guesser with lists of common passwords, words, names, dates and keyboard rows comes to early; there are no rules about
digits or signs, which make passwords worse rather than better (NIST SP 800-63B). A new password ends every session
that was opened with the old one; tokens stay unless they are revoked with it, see `admin.domain.tokens`.
"""

import threading
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, exc, insert, select, update

from admin.domain.roles import Role
from shared.config import Settings
from shared.db.database import Database, db_now
from shared.db.tables.accounts import SessionRow, TokenRow, UserRow
from shared.errors import Busy, ConfigurationError, UsageError

MIN_PASSWORD_LENGTH = 12  # characters
MAX_PASSWORD_LENGTH = 256  # characters; hashing megabytes would be an attack
MAX_NAME_LENGTH = 64  # characters

# zxcvbn's estimate of the guesses that somebody needs who knows lists of words and passwords. It knows the 30,000
# commonest passwords; "Summer2026!!" takes 10^8.4, four random words 10^15 and more.
_MIN_GUESSES = 1e9
_ESTIMATED_CHARACTERS = 72  # the most that zxcvbn takes; its time grows with the square
_OWN_WORDS = ("delineate", "admin", "administrator", "changeme", "secret", "default")

# A hash takes 64 MiB: so many at once, whatever the number of people who try to log in.
_HASHES_AT_ONCE = threading.BoundedSemaphore(2)
_hasher = PasswordHasher()


@dataclass(frozen=True)
class Account:
    """Somebody who may log in."""

    name: str
    password_hash: str = field(repr=False)
    role: Role
    created_at: float


_COLUMNS = (UserRow.name, UserRow.password_hash, UserRow.role, UserRow.created_at)


def find(database: Database, name: str) -> Account | None:
    """Return the account of this name."""
    with database.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(UserRow.name == name)).one_or_none()
    return None if row is None else _account(row)


def accounts(database: Database) -> list[Account]:
    """Return all accounts by name."""
    with database.read() as connection:
        return [_account(row) for row in connection.execute(select(*_COLUMNS).order_by(UserRow.name))]


def add(database: Database, name: str, password: str, role: Role) -> None:
    """Make an account.

    Raises:
        UsageError: there is one of this name, or name or password do not follow the rules above.
    """
    _check(name, password)
    if find(database, name) is not None:
        raise UsageError(_taken(name))
    hashed = _hash(password)
    try:
        with database.write() as connection:
            connection.execute(insert(UserRow).values(name=name, password_hash=hashed, role=role, created_at=db_now()))
    except exc.IntegrityError as error:
        raise UsageError(_taken(name)) from error


def set_password(
    database: Database, name: str, password: str, *, keep_session: str | None = None, revoke_tokens: bool = False
) -> None:
    """Give the account a new password; where there is no such account, make it, as an operator.

    Its sessions end, but the one with the id `keep_session`; so do its tokens with `revoke_tokens`.

    Raises:
        UsageError: the name or the password does not follow the rules above.
    """
    _check(name, password)
    hashed = _hash(password)
    with database.write() as connection:
        changed = connection.execute(update(UserRow).where(UserRow.name == name).values(password_hash=hashed))
        ended = delete(SessionRow).where(SessionRow.user_name == name)
        connection.execute(ended if keep_session is None else ended.where(SessionRow.id != keep_session))
        if revoke_tokens:
            connection.execute(delete(TokenRow).where(TokenRow.user_name == name))
    if not changed.rowcount:
        add(database, name, password, Role.OPERATOR)


def set_role(database: Database, name: str, role: Role) -> None:
    """Give the account a role; it holds from its next request on, for sessions and tokens alike.

    Raises:
        UsageError: there is no such account, or nobody would be left who may change anything.
    """
    with database.write() as connection:
        if not role.may_change:
            _refuse_last_operator(connection, name)
        if not connection.execute(update(UserRow).where(UserRow.name == name).values(role=role)).rowcount:
            raise UsageError(_unknown(name))


def remove(database: Database, name: str) -> None:
    """Remove the account, and with it its sessions and tokens. Its jobs stay.

    Raises:
        UsageError: there is no such account, or nobody would be left who may change anything.
    """
    with database.write() as connection:
        _refuse_last_operator(connection, name)
        if not connection.execute(delete(UserRow).where(UserRow.name == name)).rowcount:
            raise UsageError(_unknown(name))


def verify(database: Database, name: str, password: str) -> Account | None:
    """Return the account if the password is its own. An unknown name takes as long as a wrong password.

    Raises:
        Busy: as many hashes are being computed as may be at once.
    """
    account = find(database, name)
    # Without an account the password is held against a hash that nothing fits: time tells nothing about names.
    expected = account.password_hash if account else _hash_of_nobody()
    if not _HASHES_AT_ONCE.acquire(blocking=False):  # who waits would hold a thread of the server
        raise Busy("as many passwords are being checked as may be at once")
    try:
        _hasher.verify(expected, _normalised(password[: MAX_PASSWORD_LENGTH + 1]))
    except (VerificationError, InvalidHashError):
        return None
    finally:
        _HASHES_AT_ONCE.release()
    return account


def ensure_first_account(settings: Settings, database: Database) -> None:
    """Make the account ADMIN_USERNAME with ADMIN_PASSWORD where there is no account at all.

    Raises:
        ConfigurationError: there is no account, and no password for one (or none that follows the rules).
    """
    with database.read() as connection:
        if connection.execute(select(UserRow.name).limit(1)).first() is not None:
            return
    if settings.admin_password is None:
        raise ConfigurationError("nobody could log in: set ADMIN_PASSWORD, or use `admin set-password`")
    try:
        set_password(database, settings.admin_username, settings.admin_password.get_secret_value())
    except UsageError as error:
        raise ConfigurationError(f"ADMIN_USERNAME and ADMIN_PASSWORD: {error}") from error
    except exc.IntegrityError:
        pass  # another admin started at the same moment and was first


def _check(name: str, password: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise UsageError(f"a name has 1 to {MAX_NAME_LENGTH} printable characters, without space around them")
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise UsageError(f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")
    if password.casefold() == name.casefold():
        raise UsageError("the password must not be the account's name")
    if _is_easily_guessed(name, password):
        raise UsageError("that password is one of the first that anybody would try: take some words of your own")


def _is_easily_guessed(name: str, password: str) -> bool:
    from zxcvbn import zxcvbn  # loads its lists of words

    known = [name, *_OWN_WORDS]
    return bool(zxcvbn(password[:_ESTIMATED_CHARACTERS], user_inputs=known)["guesses"] < _MIN_GUESSES)


def _account(row: Any) -> Account:
    return Account(row.name, row.password_hash, Role(row.role), row.created_at)


def _refuse_last_operator(connection: Connection, name: str) -> None:
    # Locked, so that two operators cannot remove each other at once.
    operators = select(UserRow.name).where(UserRow.role == Role.OPERATOR).order_by(UserRow.name).with_for_update()
    if connection.execute(operators).scalars().all() == [name]:
        raise UsageError(f"{name} is the only operator: make somebody else one first")


def _taken(name: str) -> str:
    return f"there is an account {name} already: `admin set-password` and `admin users role` change it"


def _unknown(name: str) -> str:
    return f"there is no account {name}: `admin users list` shows them"


def _hash(password: str) -> str:
    with _HASHES_AT_ONCE:
        return _hasher.hash(_normalised(password))


@cache
def _hash_of_nobody() -> str:
    return _hash("\0" * MIN_PASSWORD_LENGTH)


def _normalised(password: str) -> bytes:
    """The same bytes for the same letters, whether a keyboard composes its accents or not."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")
