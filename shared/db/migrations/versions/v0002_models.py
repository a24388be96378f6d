"""The model registry, and the model of a job."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_models")),
    )
    op.create_table(
        "activations",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("activated_at", sa.Double(), nullable=False),
        sa.Column("activated_by", sa.Text(), nullable=False),
        sa.Column("rolled_back_at", sa.Double(), nullable=True),
        sa.Column("rolled_back_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.sha256"], name=op.f("fk_activations_model_models")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_activations")),
    )
    # Not as a batch: on SQLite that would copy `jobs` and drop the old table, and with it, by ON DELETE CASCADE,
    # every shard and item. A column that is null may be added in place on both databases, its foreign key with it.
    op.execute(
        "ALTER TABLE jobs ADD COLUMN model VARCHAR(64) CONSTRAINT fk_jobs_model_models REFERENCES models (sha256)"
    )


def downgrade() -> None:
    raise NotImplementedError("jobs name their models by now: restore the backup from before the upgrade")
