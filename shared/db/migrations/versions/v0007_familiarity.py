"""How good a result probably is, how familiar its picture, why, and what a job does with the unfamiliar."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = {"ix_items_nothing_found": "foreground = 0", "ix_items_unfamiliar": "familiarity < 0.02"}


def upgrade() -> None:
    # Not as a batch, see 0004.
    for column in ("quality", "quality_low", "familiarity"):
        op.add_column("items", sa.Column(column, sa.Double(), nullable=True))
    op.add_column("items", sa.Column("reason", sa.String(32), nullable=True))
    op.add_column("items", sa.Column("reason_place", sa.String(64), nullable=True))
    op.add_column("jobs", sa.Column("unfamiliar", sa.String(8), nullable=False, server_default="flag"))
    for name, condition in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "items", ["job_id", "number"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "items")
    op.drop_column("jobs", "unfamiliar")
    for column in ("reason_place", "reason", "familiarity", "quality_low", "quality"):
        op.drop_column("items", column)
