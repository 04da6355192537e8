"""What a finished ad was made of: one of a product that has changed since is shown no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those that are there nobody knows: "" is as good as any."""
    made_of = sa.Column("made_of", sa.String(32), nullable=False, server_default="")
    op.add_column("pool_creative", made_of)
