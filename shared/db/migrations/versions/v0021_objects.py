"""Objects of masks: their number and area, the size of pixels, and what is done to masks."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_MEASURED = ("objects", "area")
_PIXEL = ("pixel_width_um", "pixel_height_um")
_SUCCEEDED = sa.text("state = 'succeeded'")


def upgrade() -> None:
    # First, since it is committed without the rest, see 0008.
    if op.get_bind().dialect.name == "postgresql":
        # As in 0016.
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
    # Not as a batch, see 0004.
    for table in ("items", "jobs"):
        for column in _PIXEL:
            op.add_column(table, sa.Column(column, sa.Double(), nullable=True))
    op.add_column("items", sa.Column("postprocessing", sa.String(length=128), nullable=True))
    op.add_column("jobs", sa.Column("postprocessing", sa.String(length=128), nullable=False, server_default=""))


def downgrade() -> None:
    for name in _MEASURED:
        op.drop_index(f"ix_items_{name}", "items")
    op.drop_column("jobs", "postprocessing")
    for column in _PIXEL:
        op.drop_column("jobs", column)
    op.drop_column("items", "postprocessing")
    for column in (*_PIXEL, *_MEASURED):
        op.drop_column("items", column)
