"""The hash of each published model's metadata, which binds the threshold and the arguments that workers use."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("metadata_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("models", "metadata_sha256")
