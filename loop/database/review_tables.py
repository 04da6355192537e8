"""Tables of what people ban."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, LargeBinary, String, Table, Text

from adloom.loop.database.metadata import metadata
from adloom.loop.database.types import Moment, name

banned_pictures = Table(
    "banned_picture",
    metadata,
    Column("ad_id", name(None), primary_key=True),
    Column("product_id", name(None), nullable=False, index=True),
    Column("fingerprint", LargeBinary, nullable=False),  # int8
    sqlite_with_rowid=False,
)
"""What ads look like that a person banned."""

word_reviews = Table(
    "word_review",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("language", String(35), nullable=False),  # "" = of all
    Column("word", Text, nullable=False),
    Column("banned", Boolean, nullable=False),  # from then on; false = no more
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),  # who did it
)
"""Words that people ban from titles beside those of the settings; of a word the last row holds."""
