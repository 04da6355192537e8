"""The database of the catalogue: tables, and how they are opened.

SQLite under the home by default; anything below is plain SQLAlchemy Core, so Postgres will do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.schema import CreateIndex, CreateTable

from adloom.feature_store.write_ahead import write_ahead
from adloom.loop.catalogue.database_health import DatabaseHealth

_LOCKED_SECONDS = 30.0
_CACHE_KIBIBYTES = 16 * 1024
_MOST_VARIABLES = 500  # of one statement; SQLite's own limit is far above

metadata = MetaData()

products = Table(
    "product",
    metadata,
    Column("product_id", String(128), primary_key=True),
    Column("told", Text, nullable=False),  # what the shop tells and its place on ads, as JSON
    Column("stamp", String(64), nullable=False),  # hash of all that the shop tells
    Column("picture_stamp", String(64), nullable=False),  # which picture the shop had then
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("language", String(35), nullable=False),
    Column("picture_name", String(64), nullable=False),
    Column("cutout_name", String(64), nullable=False),
    Column("no_cutout", Text, nullable=False),  # why there is none; "" where there is one
    Column("source", Text, nullable=False),  # the feed that tells of it
    Column("retired", Boolean, nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("revision", Integer, nullable=False, index=True),
)
"""``revision`` is that of the import which changed the row last."""

vectors = Table(
    "product_vector",
    metadata,
    Column("product_id", String(128), primary_key=True),
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
    Column("name", String(256), nullable=False),  # "" while vectors are made anew
)
"""One row: what all vectors are made by. None where it is MiniLM, as in older catalogues."""

picture_codes = Table(
    "picture_codes",
    metadata,
    Column("picture_name", String(64), primary_key=True),
    Column("codebook", String(64), primary_key=True),
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
    Column("number", Integer, nullable=False),
)
"""One row: the number of the last of the shop's own titles whose words are counted."""

feeds = Table(
    "feed",
    metadata,
    Column("source", String(2048), primary_key=True),
    Column("stamp", String(64), nullable=False),  # size and time of the file when it was read
    Column("read_at", DateTime(timezone=True), nullable=False),
)

claims = Table(
    "claim",
    metadata,
    Column("work", String(2048), primary_key=True),
    Column("until", Float, nullable=False),  # seconds since 1970
)

revisions = Table(
    "catalogue_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""One row: grows with every change, so that whoever keeps products in memory sees it."""

T = TypeVar("T")
_REMEDY = (
    "put a copy back, or remove it with its -wal and -shm and import the products again "
    "(adloom catalog import)"
)
_HEALTH: WeakKeyDictionary[Engine, DatabaseHealth] = WeakKeyDictionary()


def open_database(folder: Path) -> Engine:
    """The catalogue's database in a folder, made where there is none. For several processes.

    Raises DatabaseUnusable, as everything does that is asked of it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = database_file(folder)
    if not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    # A file that is removed meanwhile must not come back empty.
    uri = f"sqlite:///{file.absolute().as_uri()}?mode=rw&uri=true"
    engine = create_engine(uri, connect_args={"timeout": _LOCKED_SECONDS})
    health = DatabaseHealth("catalogue", file, _REMEDY, engine.dispose)
    _HEALTH[engine] = health
    event.listen(engine, "handle_error", partial(_told, health))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "connect", _lower_any_script)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:  # another process may make them at the same time
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        connection.execute(insert_new(revisions, engine), {"id": 1, "number": 0})
    return engine


def database_file(folder: Path) -> Path:
    """Of the catalogue in a folder."""
    return folder / "catalogue.db"


def problem(engine: Engine, probe: Callable[[], object]) -> str | None:
    """What is wrong with a database that `open_database` opened; None where all is well."""
    return _HEALTH[engine].problem(probe)


def _told(health: DatabaseHealth, context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
        raise health.unusable(error) from error


def _prepare(connection: Any, _: Any) -> None:
    write_ahead(connection, _LOCKED_SECONDS)
    connection.execute("PRAGMA synchronous=NORMAL")
    # The file is not mapped into memory: one that is cut short would end the process.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIBIBYTES}")


def _lower_any_script(connection: Any, _: Any) -> None:
    """SQLite's own function knows the letters of English alone; a search would miss an Umlaut."""
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def upsert(table: Table, engine: Engine) -> Any:
    """An insert that takes the place of the row with its key."""
    statement = _insert(table, engine)
    keys = [column.name for column in table.primary_key]
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    if not others:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def insert_new(table: Table, engine: Engine) -> Any:
    """An insert that leaves a row with its key as it is."""
    return _insert(table, engine).on_conflict_do_nothing()


def _insert(table: Table, engine: Engine) -> Any:
    """An insert that may say what to do where the key is there already."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values at a time as a statement takes."""
    for start in range(0, len(values), _MOST_VARIABLES):
        yield values[start : start + _MOST_VARIABLES]
