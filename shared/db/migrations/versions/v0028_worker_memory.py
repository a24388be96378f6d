"""Workers tell what memory they take."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = ("resident_bytes", "device_bytes", "device_total_bytes")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("workers", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("workers", name)
