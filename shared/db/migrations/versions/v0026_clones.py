"""A job may read its inputs where another has them."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_CLONES = sa.text("inputs_of IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("inputs_of", sa.String(36)))
    op.create_index("ix_jobs_clones", "jobs", ["inputs_of"], sqlite_where=_CLONES, postgresql_where=_CLONES)


def downgrade() -> None:
    op.drop_index("ix_jobs_clones", "jobs")
    op.drop_column("jobs", "inputs_of")
