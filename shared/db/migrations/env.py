"""Alembic's entry point; run by `shared.db.migrate`, which hands over its connection."""

from alembic import context

from shared.db.tables.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
