"""A job may be cut at another threshold than that of its model."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("threshold", sa.Double()))


def downgrade() -> None:
    op.drop_column("jobs", "threshold")
