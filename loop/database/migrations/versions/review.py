"""What people ban: looks of pictures and words of titles; ads by their age, pictures by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables and the indexes that a gallery reads by."""
    for column in ("picture_name", "cutout_name"):
        op.create_index(f"ix_product_{column}", "product", [column])
    op.create_index("ix_creative_made", "creative", ["served_at", "ad_id"])
    op.drop_index("ix_creative_waiting", "creative")
    op.create_index(
        "ix_creative_waiting",
        "creative",
        ["state", "served_at", "ad_id"],
        sqlite_where=sa.text("state <> 'approved'"),
        postgresql_where=sa.text("state <> 'approved'"),
    )
    op.create_table(
        "banned_picture",
        sa.Column("ad_id", _NAME, primary_key=True),
        sa.Column("product_id", _NAME, nullable=False, index=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "word_review",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("banned", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
