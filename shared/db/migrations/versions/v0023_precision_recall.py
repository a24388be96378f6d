"""Precision and recall of masks against their truth, each with an index as other measurements have."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_MEASURED = ("precision", "recall")
_SUCCEEDED = sa.text("state = 'succeeded'")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # As in 0016 and 0021.
        with op.get_context().autocommit_block():
            for name in _MEASURED:
                op.add_column("items", sa.Column(name, sa.Double(), nullable=True), if_not_exists=True)
                op.drop_index(f"ix_items_{name}", "items", if_exists=True, postgresql_concurrently=True)
                op.create_index(
                    f"ix_items_{name}",
                    "items",
                    ["job_id", name, "number"],
                    postgresql_where=_SUCCEEDED,
                    postgresql_concurrently=True,
                )
    else:
        for name in _MEASURED:
            op.add_column("items", sa.Column(name, sa.Double(), nullable=True))
            op.create_index(f"ix_items_{name}", "items", ["job_id", name, "number"], sqlite_where=_SUCCEEDED)


def downgrade() -> None:
    for name in _MEASURED:
        op.drop_index(f"ix_items_{name}", "items")
        op.drop_column("items", name)
