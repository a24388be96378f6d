"""Submissions that are one job however often they are begun, and end if nobody goes on; how long jobs were in work."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OF_JOBS = ("submission_seen_at", "abandoned_at", "awaited_at", "worked_seconds")
_UNSEALED = sa.text("sealed_at IS NULL")
_KEYED = sa.text("submission_key IS NOT NULL")


def upgrade() -> None:
    # Not as a batch, see 0004.
    for column in _OF_JOBS:
        op.add_column("jobs", sa.Column(column, sa.Double(), nullable=True))
    op.add_column("items", sa.Column("claimed_at", sa.Double(), nullable=True))
    op.add_column("items", sa.Column("source_modified", sa.BigInteger(), nullable=True))
    # Of several unfinished jobs of one submission the newest is gone on with, as before.
    op.execute(
        "UPDATE jobs SET submission_key = NULL WHERE sealed_at IS NULL AND submission_key IS NOT NULL AND EXISTS "
        "(SELECT 1 FROM jobs AS newer WHERE newer.sealed_at IS NULL AND newer.submission_key = jobs.submission_key "
        "AND newer.id > jobs.id)"
    )
    # The time in work of jobs that ended before is not known any more; that from start to end is the nearest.
    op.execute("UPDATE jobs SET worked_seconds = finished_at - started_at WHERE finished_at IS NOT NULL")
    op.drop_index("ix_jobs_submission_key", "jobs")
    op.create_index(
        "ix_jobs_submission_key", "jobs", ["submission_key"], unique=True,
        sqlite_where=_UNSEALED, postgresql_where=_UNSEALED,
    )  # fmt: skip
    op.create_index(
        "ix_jobs_submissions", "jobs", ["submission_key", "id"], sqlite_where=_KEYED, postgresql_where=_KEYED
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_submissions", "jobs")
    op.drop_index("ix_jobs_submission_key", "jobs")
    op.create_index("ix_jobs_submission_key", "jobs", ["submission_key"], postgresql_where=_UNSEALED)
    for column in ("claimed_at", "source_modified"):
        op.drop_column("items", column)
    for column in _OF_JOBS:
        op.drop_column("jobs", column)
