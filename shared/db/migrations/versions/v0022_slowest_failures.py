"""An index of failures by their code and by how long they took, for pages of one code in that order."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_NAME = "ix_items_failures_by_seconds"
_COLUMNS = ["job_id", "error_code", "seconds", "number"]
_FAILED = sa.text("state = 'failed'")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # A large table is read for a while, in which workers go on writing to it; an attempt may have been interrupted.
        with op.get_context().autocommit_block():
            op.drop_index(_NAME, "items", if_exists=True, postgresql_concurrently=True)
            op.create_index(_NAME, "items", _COLUMNS, postgresql_where=_FAILED, postgresql_concurrently=True)
    else:
        op.create_index(_NAME, "items", _COLUMNS, sqlite_where=_FAILED)


def downgrade() -> None:
    op.drop_index(_NAME, "items")
