"""Saved views: filters of the lists of jobs and of images, kept by an account under a name, for itself or for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, func, insert, or_, select

from shared.db.database import Database, db_now
from shared.db.tables.accounts import SavedViewRow
from shared.db.tables.base import new_id
from shared.errors import UsageError

MAX_NAME_LENGTH = 64  # characters
MAX_VIEWS = 50  # of an account


class ViewOf(StrEnum):
    """Which list a view is of."""

    JOBS = "jobs"
    ITEMS = "items"  # of any job


@dataclass(frozen=True)
class SavedView:
    """A view; `query` has the values of an address that shows it."""

    id: str
    user_name: str
    name: str
    query: dict[str, str]
    is_shared: bool


def saved_views(database: Database, user_name: str, of: ViewOf) -> list[SavedView]:
    """Return the views of a list that an account has, and those that others share, by their names."""
    columns = (SavedViewRow.id, SavedViewRow.user_name, SavedViewRow.name, SavedViewRow.query, SavedViewRow.is_shared)
    is_seen = or_(SavedViewRow.user_name == user_name, SavedViewRow.is_shared)
    query = select(*columns).where(SavedViewRow.view_of == of, is_seen)
    with database.read() as connection:
        found = connection.execute(query.order_by(func.lower(SavedViewRow.name), SavedViewRow.id))
        return [SavedView(*row) for row in found]


def save_view(
    database: Database, user_name: str, of: ViewOf, name: str, query: Mapping[str, str], *, is_shared: bool
) -> None:
    """Keep a view; one of the same account, list and name makes room for it.

    Args:
        database: where it is kept.
        user_name: whose it is.
        of: the list.
        name: for people.
        query: the values of its address, which have been checked.
        is_shared: whether all accounts see it.

    Raises:
        UsageError: the name is none, nothing is filtered, or the account has as many as it may.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise UsageError(f"a view's name has 1 to {MAX_NAME_LENGTH} printable characters, without space around them")
    if not query:
        raise UsageError("this view has no filter: set one first, then save it")
    own = SavedViewRow.user_name == user_name
    values = {"user_name": user_name, "view_of": of, "name": name, "query": dict(query), "is_shared": is_shared}
    with database.write() as connection:
        connection.execute(delete(SavedViewRow).where(own, SavedViewRow.view_of == of, SavedViewRow.name == name))
        if connection.execute(select(func.count()).where(own)).scalar_one() >= MAX_VIEWS:
            raise UsageError(f"an account has at most {MAX_VIEWS} views: delete one first")
        connection.execute(insert(SavedViewRow).values(id=new_id(), made_at=db_now(), **values))


def delete_view(database: Database, user_name: str, view_id: str) -> None:
    """Delete a view of an account.

    Raises:
        UsageError: the account has none of this id.
    """
    with database.write() as connection:
        own = (SavedViewRow.id == view_id, SavedViewRow.user_name == user_name)
        if not connection.execute(delete(SavedViewRow).where(*own)).rowcount:
            raise UsageError("there is no such view of yours: it may have been deleted already")
