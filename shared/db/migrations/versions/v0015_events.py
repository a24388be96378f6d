"""Whose a job is, who did what, and failures counted by code over all jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UUID = sa.String(36)
_UNTALLIED = sa.text("finished_at IS NOT NULL AND (tallied_end IS NULL OR tallied_end <> finished_at)")
_INDEXES = {"ix_jobs_owner": ["owner", "id"], "ix_jobs_state": ["state", "id"]}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("owner", sa.String(128), nullable=True))
    op.add_column("jobs", sa.Column("tallied_end", sa.Double(), nullable=True))
    _own()
    for name, columns in _INDEXES.items():
        op.create_index(name, "jobs", columns)
    op.create_index("ix_jobs_untallied", "jobs", ["id"], sqlite_where=_UNTALLIED, postgresql_where=_UNTALLIED)
    op.create_table(
        "failure_counts",
        sa.Column("job_id", _UUID, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_failure_counts_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "code", name="pk_failure_counts"),
    )
    op.create_index("ix_failure_counts_code", "failure_counts", ["code", "job_id"])
    op.create_table(
        "events",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("job_id", _UUID, nullable=True),
        sa.Column("bulk_id", _UUID, nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_job_id", "events", ["job_id", "id"])
    op.create_index("ix_events_actor", "events", ["actor", "id"])


def _own() -> None:
    """Give jobs to those who submitted them: `ana (web)`, `ana (API)` and `ana@host` are all ana."""
    jobs = sa.table("jobs", sa.column("submitted_by"), sa.column("owner"))
    for by in op.get_bind().execute(sa.select(jobs.c.submitted_by).distinct()).scalars().all():
        name = by.removesuffix(" (web)").removesuffix(" (API)")
        owner = name if name != by else by.partition("@")[0]
        op.execute(sa.update(jobs).where(jobs.c.submitted_by == by).values(owner=owner[:128]))


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("failure_counts")
    for name in ("ix_jobs_untallied", *_INDEXES):
        op.drop_index(name, "jobs")
    for column in ("tallied_end", "owner"):
        op.drop_column("jobs", column)
