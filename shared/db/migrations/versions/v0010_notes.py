"""An index of results with a note, for their count and their list."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NAME, _CONDITION = "ix_items_noted", "note IS NOT NULL"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # A large table is read for a while, in which workers go on writing to it; an attempt may have been interrupted.
        with op.get_context().autocommit_block():
            op.drop_index(_NAME, "items", if_exists=True, postgresql_concurrently=True)
            op.create_index(
                _NAME,
                "items",
                ["job_id", "number"],
                postgresql_where=sa.text(_CONDITION),
                postgresql_concurrently=True,
            )
    else:
        op.create_index(_NAME, "items", ["job_id", "number"], sqlite_where=sa.text(_CONDITION))


def downgrade() -> None:
    op.drop_index(_NAME, "items")
