"""Actions on many jobs; retries that go on in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_UUID = sa.String(36)
_RETRIED = sa.text("retry_from IS NOT NULL")
_OPEN = sa.text("finished_at IS NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("retry_from", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("retry_codes", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("retry_bulk", _UUID, nullable=True))
    op.create_index("ix_jobs_being_retried", "jobs", ["id"], sqlite_where=_RETRIED, postgresql_where=_RETRIED)
    op.create_table(
        "bulk_actions",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("selection", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("codes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("matched_more", sa.Boolean(), nullable=False),
        sa.Column("jobs_done", sa.Integer(), nullable=False),
        sa.Column("jobs_skipped", sa.Integer(), nullable=False),
        sa.Column("items_done", sa.Integer(), nullable=False),
        sa.Column("after_job", _UUID, nullable=True),
        sa.Column("begun_at", sa.Double(), nullable=True),
        sa.Column("abort_requested_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_actions"),
    )
    op.create_index("ix_bulk_actions_open", "bulk_actions", ["id"], sqlite_where=_OPEN, postgresql_where=_OPEN)


def downgrade() -> None:
    op.drop_table("bulk_actions")
    op.drop_index("ix_jobs_being_retried", "jobs")
    for column in ("retry_bulk", "retry_codes", "retry_from"):
        op.drop_column("jobs", column)
