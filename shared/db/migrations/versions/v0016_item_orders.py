"""Indexes of results by what was measured of them, for pages in that order and for ranges of it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MEASURED = ("foreground", "confidence", "trust", "quality", "quality_low", "familiarity", "dice", "iou")
_CONDITIONS = {name: sa.text("state = 'succeeded'") for name in _MEASURED} | {"seconds": None}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # A large table is read for a while, in which workers go on writing to it; an attempt may have been interrupted.
        with op.get_context().autocommit_block():
            for name, condition in _CONDITIONS.items():
                op.drop_index(f"ix_items_{name}", "items", if_exists=True, postgresql_concurrently=True)
                op.create_index(
                    f"ix_items_{name}",
                    "items",
                    ["job_id", name, "number"],
                    postgresql_where=condition,
                    postgresql_concurrently=True,
                )
    else:
        for name, condition in _CONDITIONS.items():
            op.create_index(f"ix_items_{name}", "items", ["job_id", name, "number"], sqlite_where=condition)


def downgrade() -> None:
    for name in _CONDITIONS:
        op.drop_index(f"ix_items_{name}", "items")
