"""More room for what was done to an image before the network saw it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _resize(32, 128)


def downgrade() -> None:
    _resize(128, 32)


def _resize(before: int, after: int) -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("items", "preprocessing", type_=sa.String(after), existing_type=sa.String(before))
        return
    # SQLite changes no type in place; a batch would copy the table and drop the old one, see 0004.
    op.add_column("items", sa.Column("resized", sa.String(after), nullable=True))
    op.execute("UPDATE items SET resized = preprocessing WHERE preprocessing IS NOT NULL")
    op.drop_column("items", "preprocessing")
    op.execute("ALTER TABLE items RENAME COLUMN resized TO preprocessing")
