"""How good a result probably is, how familiar its picture, why, and what a job does with the unfamiliar."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MEASUREMENTS = ("quality", "quality_low", "familiarity")
_OF_ITEMS = {"ix_items_nothing_found": "foreground = 0", "ix_items_unfamiliar": "familiarity < 0.02"}


def upgrade() -> None:
    # First, since it is committed without the rest; an attempt that was interrupted leaves some of it.
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            op.add_column("items", sa.Column("familiarity", sa.Double(), nullable=True), if_not_exists=True)
            for name, condition in _OF_ITEMS.items():
                # A large table is read for a while, in which workers go on writing to it.
                op.drop_index(name, "items", if_exists=True, postgresql_concurrently=True)
                where = sa.text(condition)
                op.create_index(
                    name, "items", ["job_id", "number"], postgresql_where=where, postgresql_concurrently=True
                )
    else:
        op.add_column("items", sa.Column("familiarity", sa.Double(), nullable=True))
        for name, condition in _OF_ITEMS.items():
            op.create_index(name, "items", ["job_id", "number"], sqlite_where=sa.text(condition))
    # Not as a batch, see 0004.
    for column in ("quality", "quality_low"):
        op.add_column("items", sa.Column(column, sa.Double(), nullable=True))
    op.add_column("items", sa.Column("reason", sa.String(32), nullable=True))
    op.add_column("items", sa.Column("reason_place", sa.String(64), nullable=True))
    op.add_column("jobs", sa.Column("unfamiliar", sa.String(8), nullable=False, server_default="flag"))


def downgrade() -> None:
    for name in _OF_ITEMS:
        op.drop_index(name, "items")
    op.drop_column("jobs", "unfamiliar")
    for column in ("reason_place", "reason", *_MEASUREMENTS):
        op.drop_column("items", column)
