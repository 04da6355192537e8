"""The database of products, creatives and rounds: Postgres, or a SQLite file under the home."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from adloom.loop.database.file_health import REMEDY
from adloom.loop.database.opening import EMBEDDED, OldHome, left_behind
from adloom.loop.database.postgres import postgres_engine, where
from adloom.loop.database.revision import (
    REVISION,
    VERSIONS_TABLE,
    OtherRevision,
    revision_of,
)
from adloom.loop.database.sqlite import database_file
from adloom.loop.database.tables import metadata
from adloom.loop.doctor.clocks import Clock
from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.doctor.sqlite_files import looked_through, opened
from adloom.loop.settings import Settings
from adloom.loop.settings.database import DatabaseSettings

PART = "database"
_CONNECT_SECONDS = 4
_FEW_CONNECTIONS = 10
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def database_check(settings: Settings, now: Callable[[], float] = time.time) -> Check:
    """Of whichever is set."""
    home, database = settings.home, settings.database
    if database.url is None:
        file = database_file(home)
        return Check(PART, str(file), "home", partial(_look_at_file, home))
    place = f"Postgres at {where(make_url(database.url))}"
    look = partial(_look_at_postgres, home, database, place, now)
    return Check(PART, place, "database.url", look)


def _look_at_file(home: Path) -> Iterator[Finding]:
    file, wrong = database_file(home), _not_taken_over(home, EMBEDDED)
    if not file.exists():
        told = f"{file} is not there yet: it is made by the first command that keeps something"
        yield judged(PART, told, wrong, [])
        return
    told, problem = looked_through(file, REMEDY)
    if problem is not None:
        yield judged(PART, f"SQLite, {told}", [problem, *wrong], [])
        return
    revision = _revision_in(file)
    wrong += _of_revision(revision)
    yield judged(PART, f"SQLite, {told}, revision {revision or 'none'}", wrong, [])


def _revision_in(file: Path) -> str | None:
    with closing(opened(file)) as connection:
        try:
            row = connection.execute(f"SELECT version_num FROM {VERSIONS_TABLE}").fetchone()
        except sqlite3.OperationalError:
            return None
    return None if row is None else str(row[0])


def _not_taken_over(home: Path, settings: DatabaseSettings) -> list[str]:
    return [str(OldHome(file)) for file in left_behind(home, settings)]


def _of_revision(found: str | None) -> list[str]:
    return [] if found in (None, REVISION) else [str(OtherRevision(found))]


def _look_at_postgres(
    home: Path, settings: DatabaseSettings, place: str, now: Callable[[], float]
) -> Iterator[Finding]:
    engine, clock = postgres_engine(settings, _CONNECT_SECONDS), Clock(now)
    try:
        with engine.connect() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            clock.hold(lambda: (None, _time_of(connection)))
            version = connection.execute(text("SHOW server_version")).scalar_one()
            revision = revision_of(connection)
            wrong = [*_not_taken_over(home, settings), *_of_revision(revision)]
            wrong += _wrong(connection, revision is not None)
            notes = [*_notes(connection)]
    finally:
        engine.dispose()
    told = f"{place}, version {str(version).split()[0]}, revision {revision or 'none yet'}"
    yield judged(PART, f"{told}, {clock.told}", [*wrong, *clock.wrong], [*notes, *clock.notes])


def _time_of(connection: Connection) -> float:
    found = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
    return float(found.scalar_one())


def _wrong(connection: Connection, has_tables: bool) -> Iterator[str]:
    who = connection.execute(text("SELECT current_user")).scalar_one()
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        yield "it is a replica, which takes no writes: name the primary in database.url"
    elif connection.execute(text("SHOW default_transaction_read_only")).scalar_one() == "on":
        yield f"it takes no writes of {who}: set default_transaction_read_only to off"
    if connection.execute(text("SHOW server_encoding")).scalar_one() != "UTF8":
        yield "it does not keep all letters: make a database with encoding UTF8"
    if not has_tables:
        may = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        if not connection.execute(may).scalar_one():
            yield f"{who} may make no tables there: GRANT CREATE ON SCHEMA"
        return
    may = text("SELECT coalesce(has_table_privilege(to_regclass(:name), :right), false)")
    for name in metadata.tables:
        lacking = [
            right
            for right in _RIGHTS
            if not connection.execute(may, {"name": name, "right": right}).scalar_one()
        ]
        if lacking:
            yield f"{who} may not {', '.join(lacking)} in {name}: grant it"


def _notes(connection: Connection) -> Iterator[str]:
    most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    used = int(connection.execute(text("SELECT count(*) FROM pg_stat_activity")).scalar_one())
    if most - used < _FEW_CONNECTIONS:
        yield f"{used} of {most} connections are taken: raise max_connections"
