"""Time moved by hand: leases, rests and hints are written back, so that no test waits for them."""

from sqlalchemy import ColumnElement, update

from shared.db.database import Database
from shared.db.tables.jobs import IS_RUNNING, ItemRow, ShardRow

_LONG_AGO = 1.0


def run_out(database: Database, token: str | None = None) -> None:
    """End the lease of one claim, or all leases."""
    which: ColumnElement[bool] = IS_RUNNING if token is None else ItemRow.token == token
    with database.write() as connection:
        connection.execute(update(ItemRow).where(which).values(lease_until=_LONG_AGO))


def end_rests(database: Database) -> None:
    """Let shards that were released be claimed again."""
    with database.write() as connection:
        connection.execute(update(ShardRow).values(not_before=0.0))


def age_hints(database: Database) -> None:
    """Let every hint be so old that it counts as lost."""
    with database.write() as connection:
        connection.execute(update(ShardRow).where(ShardRow.published_at.is_not(None)).values(published_at=_LONG_AGO))
