"""Grades and corrections of results, as they stand and as they were given."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _id(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length=36), nullable=False)


def _owners(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            [column], [f"{owner}.id"], name=op.f(f"fk_{table}_{column}_{owner}"), ondelete="CASCADE"
        )
        for column, owner in (("item_id", "items"), ("job_id", "jobs"))
    ]


def upgrade() -> None:
    op.create_table(
        "reviews",
        _id("item_id"),
        _id("job_id"),
        sa.Column("grade", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("graded_by", sa.Text(), nullable=True),
        sa.Column("graded_at", sa.Double(), nullable=True),
        sa.Column("correction_key", sa.Text(), nullable=True),
        sa.Column("corrected_by", sa.Text(), nullable=True),
        sa.Column("corrected_at", sa.Double(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("held_until", sa.Double(), nullable=True),
        *_owners("reviews"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_reviews")),
    )
    graded, corrected = sa.text("grade IS NOT NULL"), sa.text("correction_key IS NOT NULL")
    op.create_index("ix_reviews_graded", "reviews", ["job_id", "grade"], sqlite_where=graded, postgresql_where=graded)
    op.create_index("ix_reviews_corrected", "reviews", ["job_id"], sqlite_where=corrected, postgresql_where=corrected)
    op.create_table(
        "review_steps",
        sa.Column("number", sa.Integer(), nullable=False),
        _id("item_id"),
        _id("job_id"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Double(), nullable=False),
        sa.Column("grade", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("correction_key", sa.Text(), nullable=True),
        sa.Column("undone_at", sa.Double(), nullable=True),
        *_owners("review_steps"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_review_steps")),
    )
    op.create_index("ix_review_steps_item_id_number", "review_steps", ["item_id", "number"])
    op.create_index("ix_review_steps_job_id_reviewer_number", "review_steps", ["job_id", "reviewer", "number"])


def downgrade() -> None:
    op.drop_table("review_steps")
    op.drop_table("reviews")
