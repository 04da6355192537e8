"""Shelves of the shop in the order of their bytes, so that they are browsed by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Paths compare as bytes, on Postgres too."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("product", "category", type_=sa.Text(collation="C"))
    op.create_index(
        "ix_product_shelf",
        "product",
        ["category", "product_id"],
        sqlite_where=sa.text("retired = 0"),
        postgresql_where=sa.text("retired = false"),
    )
