"""How fast each worker runs, and what limits it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("images_per_second", "bare_images_per_second"):
        op.add_column("workers", sa.Column(column, sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("limiting_stage", sa.String(32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("workers") as workers:
        for column in ("images_per_second", "bare_images_per_second", "limiting_stage"):
            workers.drop_column(column)
