"""What an error of a database driver means: wait, mend a setting, or a defect of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from shared.db.postgresql import AWAY
from shared.errors import ConfigurationError, DatabaseFull, DatabaseUnavailable

_DISK_FULL = "53100"
# A statement that was prepared in another session of the server, or that this one has from somebody else.
_STATEMENT_OF_ANOTHER_SESSION = ("26000", "42P05")
# Two transactions that stood in each other's way, one of which the server ended: it can be repeated.
_CONFLICT = ("40001", "40P01", "55P03")


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn the driver's errors into ours, except for what is a defect."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        mapped = _mapped(error)
        if mapped is None:
            raise
        raise mapped from error


def _mapped(error: exc.SQLAlchemyError) -> ConfigurationError | DatabaseUnavailable | None:
    """Return the error of the tree that stands for the driver's, or None for a defect of ours."""
    original = getattr(error, "orig", error)
    # Only the first line, and only the driver's own words: SQLAlchemy's text holds the statement with its values.
    reason = str(original).strip().partition("\n")[0]
    state = str(getattr(original, "sqlstate", None) or "")
    if "disk is full" in reason or state == _DISK_FULL:
        return DatabaseFull(f"the database has no room: {reason}; free some, and work goes on by itself")
    if state in _STATEMENT_OF_ANOTHER_SESSION:
        return ConfigurationError(
            f"a pooler stands before the database: add ?prepare_threshold=0 to DATABASE_URL ({reason})"
        )
    if state.startswith(AWAY) or state in _CONFLICT:
        return DatabaseUnavailable(f"the database does not answer: {reason}")
    if "no such table" in reason or ("relation" in reason and "does not exist" in reason):
        return ConfigurationError("the database has no tables yet: run `admin migrate`")
    if "password authentication failed" in reason:
        advice = "a % in it is %25, and a database keeps the password that it was made with (docs/operations.md)"
        return ConfigurationError(f"the database cannot be used, check DATABASE_URL: {reason}; {advice}")
    if any(sign in reason for sign in ("does not exist", "not a database")):
        return ConfigurationError(f"the database cannot be used, check DATABASE_URL: {reason}")
    if isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError):
        return DatabaseUnavailable(f"the database does not answer: {reason}")
    return None
