"""Who is forgotten, and who has to know it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "privacy",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.create_table(
        "forgotten_user",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("before", _MOMENT),
        sa.Column("opted_out", sa.Boolean, nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.create_index("ix_forgotten_user_number", "forgotten_user", ["number"])
    op.create_table(
        "forgetting_reader",
        sa.Column("reader", sa.String(32), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_index("ix_creative_picture", "creative", ["picture"])
