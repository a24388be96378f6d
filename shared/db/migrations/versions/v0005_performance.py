"""How fast each worker runs, and what limits it; indexes for a million images, and for a history of many jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FAILURES = "ix_items_failures"
_OF_JOBS = {
    "ix_jobs_open": ("id", "finished_at IS NULL"),
    "ix_jobs_untidied": ("finished_at", "tidied_at IS NULL"),
    "ix_jobs_with_sources": ("finished_at", "sources_removed_at IS NULL"),
    "ix_jobs_being_removed": ("id", "removal_started_at IS NOT NULL"),
}


def upgrade() -> None:
    # First, since what goes before it would be committed without the rest.
    _index_failures()
    for name, (column, where) in _OF_JOBS.items():
        op.create_index(name, "jobs", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    for column in ("images_per_second", "bare_images_per_second"):
        op.add_column("workers", sa.Column(column, sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("limiting_stage", sa.String(32), nullable=True))


def _index_failures() -> None:
    columns, where = ["job_id", "error_code", "number"], sa.text("state = 'failed'")
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(_FAILURES, "items", columns, sqlite_where=where)
        return
    # A large table is read for a while, in which workers go on writing to it.
    with op.get_context().autocommit_block():
        # An attempt that was interrupted leaves one behind that is not valid.
        op.drop_index(_FAILURES, "items", if_exists=True, postgresql_concurrently=True)
        op.create_index(_FAILURES, "items", columns, postgresql_where=where, postgresql_concurrently=True)


def downgrade() -> None:
    with op.batch_alter_table("workers") as workers:
        for column in ("images_per_second", "bare_images_per_second", "limiting_stage"):
            workers.drop_column(column)
    for name in _OF_JOBS:
        op.drop_index(name, "jobs")
    op.drop_index(_FAILURES, "items")
