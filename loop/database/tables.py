"""What the database holds, as plain SQLAlchemy Core: SQLite and Postgres know all of it.

A change here needs a migration (`migrations/versions`); a test holds one against the other.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
)

from adloom.loop.database import review_tables  # noqa: F401 - all are one metadata
from adloom.loop.database.metadata import metadata as metadata
from adloom.loop.database.types import Moment, name

products = Table(
    "product",
    metadata,
    Column("product_id", name(128), primary_key=True),
    Column("told", Text, nullable=False),  # what the shop tells and its place on ads, as JSON
    Column("stamp", String(64), nullable=False),  # hash of all that the shop tells
    Column("picture_stamp", Text, nullable=False),  # which picture the shop had then
    Column("name", Text, nullable=False),
    Column("category", name(None), nullable=False),
    Column("searched", Text, nullable=False),  # id, name and category in small letters
    Column("language", String(35), nullable=False),
    Column("picture_name", Text, nullable=False, index=True),
    Column("cutout_name", Text, nullable=False, index=True),
    Column("no_cutout", Text, nullable=False),  # why there is none; "" where there is one
    Column("source", Text, nullable=False),  # the feed that tells of it
    Column("retired", Boolean, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("revision", Integer, nullable=False, index=True),
)
"""``revision`` is that of the import which changed the row last."""

_sold = products.c.retired == false()
Index(
    "ix_product_shelf",
    products.c.category,
    products.c.product_id,
    sqlite_where=_sold,
    postgresql_where=_sold,
)

vectors = Table(
    "product_vector",
    metadata,
    Column("product_id", name(128), primary_key=True),
    Column("text", String(64), nullable=False),  # hash of what the vector was made of
    Column("vector", LargeBinary, nullable=False),  # float16
    Column("pictured", Boolean, nullable=False),  # whether the product has a picture
    Column("place", BigInteger, nullable=False, index=True),  # number in the index of all
    Column("revision", Integer, nullable=False, index=True),  # when the vector was made
)
"""Rows are short: a request reads one for each click of a history."""

text_encoders = Table(
    "text_encoder",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),  # "" while vectors are made anew
)
"""One row: what all vectors are made by. None where it is MiniLM, as in older catalogues."""

picture_codes = Table(
    "picture_codes",
    metadata,
    Column("picture_name", name(64), primary_key=True),
    Column("codebook", Text, primary_key=True),
    Column("codes", LargeBinary, nullable=False),  # int16
)
"""VQ codes of pictures of products and ads, made when a history first reads them."""

title_words = Table(
    "title_word",
    metadata,
    Column("language", String(35), primary_key=True),
    Column("word", Text, primary_key=True),
    Column("titles", Integer, nullable=False),  # how many of the shop's own ads say it so
    Column("own", Boolean, nullable=False),  # whether a product of theirs has it, in small letters
    Column("place", Integer),  # among the words of style, from 1; none where it is none of them
)
"""Words of the titles of the shop's own creatives."""

titles_read = Table(
    "titles_read",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""One row: the number of the last of the shop's own titles whose words are counted."""

feeds = Table(
    "feed",
    metadata,
    Column("source", Text, primary_key=True),
    Column("stamp", String(64), nullable=False),  # size and time of the file when it was read
    Column("read_at", Moment, nullable=False),
)

claims = Table(
    "claim",
    metadata,
    Column("work", Text, primary_key=True),
    Column("until", Float, nullable=False),  # seconds since 1970, by the database's clock
    Column("holder", String(32), nullable=False),  # of this claim alone
    Column("owner", Text, nullable=False),  # the process and its machine, in words
    Column("since", Moment),
)

round_files = Table(
    "round_file",
    metadata,
    Column("round", Integer, primary_key=True),
    Column("name", name(160), primary_key=True),  # in the folder of the round
    Column("part", Integer, primary_key=True),  # large files come in several
    Column("stamp", String(64), nullable=False),  # hash of the whole file
    Column("content", LargeBinary, nullable=False),
)
"""What another machine needs to go on with a round; while one alone runs rounds it is empty."""

revisions = Table(
    "catalogue_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""One row: grows with every change, so that whoever keeps products in memory sees it."""

creatives = Table(
    "creative",
    metadata,
    Column("ad_id", name(None), primary_key=True),
    Column("product_id", name(None), nullable=False),
    Column("title", Text, nullable=False),
    Column("picture", Text, nullable=False),
    Column("codes", LargeBinary, nullable=False),  # int16
    Column("background_codes", LargeBinary, nullable=False),  # int16
    Column("variant", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("served_at", Moment, nullable=False),
    Column("background", Text, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("number", BigInteger),  # of the shop's own ads, in the order they came in
    Column("codebook", Text),  # names what both codes are of; none in rows of before
    Column("state", String(10), nullable=False, server_default="approved"),
    Index("ix_creative_product", "product_id", "ad_id"),
    sqlite_with_rowid=False,
)
Index("ix_creative_picture", creatives.c.picture)
Index(
    "ix_creative_number",
    creatives.c.number,
    sqlite_where=creatives.c.number.is_not(None),
    postgresql_where=creatives.c.number.is_not(None),
)

Index("ix_creative_made", creatives.c.served_at, creatives.c.ad_id)

_waits = creatives.c.state != "approved"
Index(
    "ix_creative_waiting",
    creatives.c.state,
    creatives.c.served_at,
    creatives.c.ad_id,
    sqlite_where=_waits,
    postgresql_where=_waits,
)

creative_numbers = Table(
    "creative_number",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""One row: the last number that an ad of the shop's own was given."""

privacy = Table(
    "privacy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", LargeBinary, nullable=False),  # of the hashes that stand for users
    Column("number", Integer, nullable=False),  # of the last change of who is forgotten
)
"""One row, made by whoever asks first."""

forgotten = Table(
    "forgotten_user",
    metadata,
    Column("name", String(32), primary_key=True),  # keyed hash of the user's id
    Column("before", Moment),  # none of their events of before it; null = none at all
    Column("opted_out", Boolean, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("found", Text, nullable=False),  # what was found until all of it is gone; then ""
    Column("number", Integer, nullable=False, index=True),
)

readers = Table(
    "forgetting_reader",
    metadata,
    Column("reader", String(32), primary_key=True),
    Column("owner", Text, nullable=False),  # the process and its machine, in words
    Column("number", Integer, nullable=False),  # the last change that it goes by
    Column("until", Float, nullable=False),  # it writes until then, by the database's clock
)
"""Processes that take events in, and have to know who is forgotten."""

reviews = Table(
    "creative_review",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("ad_id", name(None), nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", String(10), nullable=False),  # that the ad has from then on
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),  # who or what judged
    Index("ix_creative_review_ad", "ad_id", "number"),
)
"""Who did what to an ad, in that order; the last is what its row says."""

looks = Table(
    "creative_look",
    metadata,
    Column("ad_id", name(None), primary_key=True),
    Column("encoders", Text, primary_key=True),  # of picture and title
    Column("picture", LargeBinary, nullable=False),  # float16
    Column("title", LargeBinary, nullable=False),  # float16
    sqlite_with_rowid=False,
)
"""Vectors of ads, made once: what they are like."""

pool = Table(
    "pool_creative",
    metadata,
    Column("ad_id", name(None), primary_key=True),
    Column("product_id", name(128), nullable=False),
    Column("drawn_by", name(None), nullable=False),  # version and settings
    Column("joined_at", Moment, nullable=False),
    Column("likeness", LargeBinary, nullable=False),  # float32; to what its shopper had clicked
    # `Product.made_of` when it was drawn; "" where an earlier release did not keep it.
    Column("made_of", String(32), nullable=False, server_default=""),
    Index("ix_pool_creative_product", "product_id", "drawn_by", "joined_at"),
    sqlite_with_rowid=False,
)
"""Ads that may be shown to others than those they were drawn for, once they are approved."""

answers = Table(
    "answered_ad",
    metadata,
    Column("name", String(36), primary_key=True),  # of the request, which may come again
    Column("ad_id", Text, nullable=False),
    Column("source", String(10), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Which ad of the pool a request got that has a name of its own."""

rankers = Table(
    "ranker",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("weights", Text, nullable=False),  # JSON
    Column("made_at", Moment, nullable=False),
    Column("run", Text, nullable=False),  # of MLflow; "" where none was logged
)
"""What ads of the pool are ranked by; the last row serves."""

creative_revisions = Table(
    "creative_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""One row: grows when ads are judged or erased, so that whoever keeps some in memory sees it."""

kept_exposures = Table(
    "kept_exposure",
    metadata,
    Column("exposure_id", String(36), primary_key=True),  # of the event
    Column("user_id", LargeBinary, nullable=False, index=True),  # UTF-8: it may hold any character
    Column("ad_id", Text, nullable=False, index=True),
    Column("made_at", Moment, nullable=False, index=True),
    Column("reported_at", Moment),  # when the ad was shown, by the first report
    Column("event", Text, nullable=False),  # as JSON; "" once the broker has it
    sqlite_with_rowid=False,
)
"""Exposures that count once the shop reports them."""
