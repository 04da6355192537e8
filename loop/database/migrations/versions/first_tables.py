"""Products and creatives in one database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _products()
    _words()
    _imports()
    _creatives()


def _key(length: int | None = None) -> sa.types.TypeEngine[str]:
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _products() -> None:
    op.create_table(
        "product",
        sa.Column("product_id", _key(128), primary_key=True),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("picture_stamp", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("searched", sa.Text, nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("picture_name", sa.Text, nullable=False),
        sa.Column("cutout_name", sa.Text, nullable=False),
        sa.Column("no_cutout", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.Column("updated", _MOMENT, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("ix_product_revision", "product", ["revision"])
    op.create_table(
        "product_vector",
        sa.Column("product_id", _key(128), primary_key=True),
        sa.Column("text", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("pictured", sa.Boolean, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("ix_product_vector_place", "product_vector", ["place"])
    op.create_index("ix_product_vector_revision", "product_vector", ["revision"])
    op.create_table(
        "text_encoder",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "picture_codes",
        sa.Column("picture_name", _key(64), primary_key=True),
        sa.Column("codebook", sa.Text, primary_key=True),
        sa.Column("codes", sa.LargeBinary, nullable=False),
    )


def _words() -> None:
    op.create_table(
        "title_word",
        sa.Column("language", sa.String(35), primary_key=True),
        sa.Column("word", sa.Text, primary_key=True),
        sa.Column("titles", sa.Integer, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.Column("place", sa.Integer),
    )
    op.create_table(
        "titles_read",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )


def _imports() -> None:
    op.create_table(
        "feed",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("read_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "claim",
        sa.Column("work", sa.Text, primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("since", _MOMENT),
    )
    revisions = op.create_table(
        "catalogue_revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.bulk_insert(revisions, [{"id": 1, "number": 0}])


def _creatives() -> None:
    op.create_table(
        "creative",
        sa.Column("ad_id", _key(), primary_key=True),
        sa.Column("product_id", _key(), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("picture", sa.Text, nullable=False),
        sa.Column("codes", sa.LargeBinary, nullable=False),
        sa.Column("background_codes", sa.LargeBinary, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("served_at", _MOMENT, nullable=False),
        sa.Column("background", sa.Text, nullable=False),
        sa.Column("stamp", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_creative_product", "creative", ["product_id", "ad_id"])
    numbered = sa.text("number IS NOT NULL")
    op.create_index(
        "ix_creative_number",
        "creative",
        ["number"],
        sqlite_where=numbered,
        postgresql_where=numbered,
    )
    numbers = op.create_table(
        "creative_number",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(numbers, [{"id": 1, "last": 0}])
