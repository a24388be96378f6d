"""What all tables share: their base, their ids, and indexes of some of their rows.

Every time is a Unix time in seconds (UTC) on the database's own clock, see `shared.db.database.db_now`.
Ids are UUIDv7 in their canonical text form, so that they sort by time.
"""

from typing import Any

from sqlalchemy import JSON, Double, Index, Integer, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase
from uuid_utils.compat import uuid7

UUID_TEXT = String(36)

# Named constraints, so that migrations on PostgreSQL and SQLite can refer to them.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> str:
    """Return a fresh UUIDv7 as text."""
    return str(uuid7())


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    # Naive floats would be four bytes on PostgreSQL: too few for a Unix time.
    type_annotation_map = {float: Double(), int: Integer(), dict[str, Any]: JSON(none_as_null=True)}  # noqa: RUF012


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that fulfil a condition."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
