"""How far the masks of one image agree in two jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_OWNERS = {"item_a": "items", "item_b": "items", "job_a": "jobs", "job_b": "jobs"}


def upgrade() -> None:
    op.create_table(
        "comparisons",
        *(sa.Column(name, sa.String(length=36), nullable=False) for name in _OWNERS),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.Double(), nullable=False),
        sa.Column("inside_a", sa.BigInteger(), nullable=False),
        sa.Column("inside_b", sa.BigInteger(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [name], [f"{owner}.id"], name=op.f(f"fk_comparisons_{name}_{owner}"), ondelete="CASCADE"
            )
            for name, owner in _OWNERS.items()
        ),
        sa.PrimaryKeyConstraint("item_a", "item_b", name=op.f("pk_comparisons")),
    )
    op.create_index("ix_comparisons_item_b", "comparisons", ["item_b"])
    op.create_index("ix_comparisons_order", "comparisons", ["job_a", "job_b", "agreement", "number"])
    op.create_index("ix_comparisons_number", "comparisons", ["job_a", "job_b", "number"])
    op.create_index("ix_comparisons_job_b", "comparisons", ["job_b"])


def downgrade() -> None:
    op.drop_table("comparisons")
