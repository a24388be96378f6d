"""By what a job's images are resampled."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch, see 0004.
    op.add_column("jobs", sa.Column("scale", sa.Double(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("jobs", "scale")
