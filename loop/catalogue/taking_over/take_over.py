"""All that a home kept elsewhere comes into its database: in one transaction, then it is removed.

What the database knows already stays as it is, so that the same again changes nothing, and homes
of several machines come together in one Postgres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from adloom.loop.catalogue.opening import neighbours_folder
from adloom.loop.catalogue.taking_over.left_behind import LeftBehind, alone_with
from adloom.loop.catalogue.taking_over.old_rows import OldRows
from adloom.loop.catalogue.vectors import OtherTextEncoder
from adloom.loop.database.opening import bare_engine, left_behind
from adloom.loop.database.revision import REVISION, upgrade
from adloom.loop.database.sqlite import database_file
from adloom.loop.database.statements import insert_new, upsert
from adloom.loop.database.tables import (
    creative_numbers,
    creatives,
    feeds,
    picture_codes,
    products,
    revisions,
    text_encoders,
    title_words,
    titles_read,
    vectors,
)
from adloom.loop.settings.database import DatabaseSettings
from adloom.models.text_encoder import MINILM

_AT_ONCE = 1_000
_TAKEN = (
    products,
    vectors,
    picture_codes,
    feeds,
    text_encoders,
    creatives,
    title_words,
    titles_read,
)
_WORDS = (title_words, titles_read)


@dataclass(frozen=True)
class TakenOver:
    """What `adloom migrate` did.

    Attributes:
        changed: whether tables were made or changed.
        files: taken over, and removed.
        products, creatives: rows that these had.
    """

    revision: str
    changed: bool
    files: tuple[Path, ...]
    products: int
    creatives: int


def take_over(
    home: Path,
    settings: DatabaseSettings,
    on_rows: Callable[[int, int], None] = lambda rows, total: None,
) -> TakenOver:
    """Bring the database of a home to this release, and take over what it left behind.

    Args:
        on_rows: told how many rows are copied, and of how many in all, again and again.

    Raises:
        HomeInUse: another process has a file open.
        OtherTextEncoder: the database has vectors of another one.
        OtherRevision: the database is of a newer release.
        DatabaseUnusable: one of them is damaged or away; nothing is changed.
    """
    files = left_behind(home, settings)
    if not files and settings.url is None and not database_file(home).exists():
        return TakenOver(REVISION, False, (), 0, 0)
    with ExitStack() as open_files:
        sources = [open_files.enter_context(alone_with(file)) for file in files]
        engine = bare_engine(home, settings)
        open_files.callback(engine.dispose)
        changed = upgrade(engine)
        if sources:
            _Copy(engine, sources, on_rows).run(neighbours_folder(home))
        known = {table: sum(s.count(table) for s in sources) for table in (products, creatives)}
    for file in files:  # closed, so that all of it lies in the file
        file.unlink()
    return TakenOver(REVISION, changed, tuple(files), known[products], known[creatives])


class _Copy:
    """Rows of some files into one database."""

    def __init__(
        self, engine: Engine, sources: Sequence[LeftBehind], on_rows: Callable[[int, int], None]
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._on_rows = on_rows
        self._total = sum(source.count(table) for source in sources for table in _TAKEN)
        self._done = 0

    def run(self, neighbours: Path) -> None:
        with self._engine.begin() as connection:
            for source in self._sources:
                beside = self._all_of(source, connection)
                if beside:  # the index knows products by revisions of a catalogue that is no more
                    for file in neighbours.glob("*.faiss"):
                        file.unlink(missing_ok=True)

    def _all_of(self, source: LeftBehind, connection: Connection) -> bool:
        """True where its products come beside those of others."""
        revision, last = _our_turn(connection)
        _refuse_other_vectors(source, connection)
        beside = _has_any(connection, products)
        rows = OldRows(revision if beside else None, last)
        for table in _TAKEN:
            # Where there are titles of others, these are read as new ones: none is counted twice.
            if table not in _WORDS or last == 0:
                self._rows_of(source, table, rows.of(table), connection)
        if not beside and revisions in source:
            theirs = source.value(f"SELECT number FROM {revisions.name}")
            connection.execute(revisions.update().values(number=max(revision, theirs)))
        connection.execute(creative_numbers.update().values(last=rows.last_number))
        return beside and products in source

    def _rows_of(
        self,
        source: LeftBehind,
        table: Table,
        as_now: Callable[[dict[str, Any]], dict[str, Any]],
        connection: Connection,
    ) -> None:
        for some in source.rows(table, _AT_ONCE):
            rows = [as_now(row) for row in some]
            statement = upsert if table is titles_read else insert_new
            connection.execute(statement(table, self._engine), rows)
            self._done += len(rows)
            self._on_rows(self._done, self._total)


def _our_turn(connection: Connection) -> tuple[int, int]:
    """The next revision, and the last number of a shop's ad; who writes the same waits for us."""
    connection.execute(revisions.update().values(number=revisions.c.number + 1))
    connection.execute(creative_numbers.update().values(last=creative_numbers.c.last))
    revision = connection.execute(select(revisions.c.number)).scalar_one()
    return revision, connection.execute(select(creative_numbers.c.last)).scalar_one()


def _refuse_other_vectors(source: LeftBehind, connection: Connection) -> None:
    if vectors not in source or not (source.count(vectors) and _has_any(connection, vectors)):
        return
    query = f"SELECT name FROM {text_encoders.name}"
    theirs = source.value(query) if text_encoders in source else None
    ours = connection.execute(select(text_encoders.c.name)).scalar()
    if (theirs or MINILM) != (ours or MINILM):
        raise OtherTextEncoder(
            f"{source.file} likens products by the text encoder {theirs or MINILM}, the database "
            f"by {ours or MINILM}: make the vectors of one anew (adloom catalog embed) before"
        )


def _has_any(connection: Connection, table: Table) -> bool:
    return connection.execute(select(table).limit(1)).first() is not None
