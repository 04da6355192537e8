"""Of which codebook the codes of an ad are; rows of before do not tell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("creative", sa.Column("codebook", sa.Text))
