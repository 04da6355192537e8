"""Creatives that may be shown again: their state, who judged them, the pool of finished ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_PRODUCT = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def upgrade() -> None:
    """Ads of before stay shown: nobody objected to them."""
    op.add_column(
        "creative",
        sa.Column("state", sa.String(10), nullable=False, server_default="approved"),
    )
    op.create_index(
        "ix_creative_waiting",
        "creative",
        ["state", "ad_id"],
        sqlite_where=sa.text("state <> 'approved'"),
        postgresql_where=sa.text("state <> 'approved'"),
    )
    op.create_table(
        "creative_review",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("ad_id", _TEXT, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_index("ix_creative_review_ad", "creative_review", ["ad_id", "number"])
    op.create_table(
        "creative_look",
        sa.Column("ad_id", _TEXT, primary_key=True),
        sa.Column("encoders", sa.Text, primary_key=True),
        sa.Column("picture", sa.LargeBinary, nullable=False),
        sa.Column("title", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pool_creative",
        sa.Column("ad_id", _TEXT, primary_key=True),
        sa.Column("product_id", _PRODUCT, nullable=False),
        sa.Column("drawn_by", _TEXT, nullable=False),
        sa.Column("joined_at", _MOMENT, nullable=False),
        sa.Column("likeness", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_pool_creative_product", "pool_creative", ["product_id", "drawn_by", "joined_at"]
    )
    op.create_table(
        "answered_ad",
        sa.Column("name", sa.String(36), primary_key=True),
        sa.Column("ad_id", sa.Text, nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("at", _MOMENT, nullable=False, index=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ranker",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("weights", sa.Text, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
    )
    revisions = op.create_table(
        "creative_revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.bulk_insert(revisions, [{"id": 1, "number": 0}])
