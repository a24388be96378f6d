"""Which channel a job's images are segmented in, and what a manifest says of each."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch, see 0004.
    op.add_column("jobs", sa.Column("channel", sa.String(8), nullable=False, server_default="auto"))
    op.add_column("items", sa.Column("described", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "described")
    op.drop_column("jobs", "channel")
