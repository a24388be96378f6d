"""On what a result was computed: the device, its arithmetic, the library."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch, see 0004.
    op.add_column("items", sa.Column("device", sa.String(length=160), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "device")
