"""Files of rounds, for machines that go on with one another's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    name = sa.String(160).with_variant(sa.String(160, collation="C"), "postgresql")
    op.create_table(
        "round_file",
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("name", name, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
