"""Exposures that count once the shop reports them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "kept_exposure",
        sa.Column("exposure_id", sa.String(36), primary_key=True),
        sa.Column("user_id", sa.LargeBinary, nullable=False),
        sa.Column("ad_id", sa.Text, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("reported_at", _MOMENT),
        sa.Column("event", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    for column in ("user_id", "ad_id", "made_at"):
        op.create_index(f"ix_kept_exposure_{column}", "kept_exposure", [column])
