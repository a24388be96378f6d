"""How far jobs are tidied up and removed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch, which on SQLite would copy the table and drop the old one with all shards and items, see 0002.
    for column in ("tidied_at", "sources_removed_at", "removal_started_at"):
        op.add_column("jobs", sa.Column(column, sa.Double(), nullable=True))
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])


def downgrade() -> None:
    raise NotImplementedError("jobs that are being removed would come back broken: restore the backup from before")
