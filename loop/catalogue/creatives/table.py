"""The table of creatives in SQLite: how it is made, and how an older one becomes today's."""

from __future__ import annotations

import sqlite3

from adloom.feature_store.write_ahead import write_ahead

_SCHEMA = """
CREATE TABLE IF NOT EXISTS creative (
    ad_id TEXT PRIMARY KEY,
    product_id TEXT NOT NULL,
    title TEXT NOT NULL,
    picture TEXT NOT NULL,
    codes BLOB NOT NULL,
    background_codes BLOB NOT NULL,
    variant TEXT NOT NULL,
    version TEXT NOT NULL,
    seed INTEGER NOT NULL,
    served_at TEXT NOT NULL
) WITHOUT ROWID
"""
_ADDED = {
    "background": "TEXT NOT NULL DEFAULT ''",
    "stamp": "TEXT NOT NULL DEFAULT ''",
    "number": "INTEGER",
}
"""Columns that came later. ``number`` counts the shop's own ads in the order they came in."""
_NUMBER_THE_KNOWN = """
UPDATE creative SET number = known.number
FROM (
    SELECT ad_id, row_number() OVER (ORDER BY ad_id) AS number
    FROM creative WHERE variant = 'shop'
) AS known
WHERE creative.ad_id = known.ad_id
"""
_INDICES = (
    "CREATE INDEX IF NOT EXISTS creative_number ON creative (number) WHERE number IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS creative_product ON creative (product_id, ad_id)",
)


def prepare_table(db: sqlite3.Connection, patience_seconds: float) -> None:
    """Make the table, or bring an older one up to date; several processes may do so at once."""
    write_ahead(db, patience_seconds)
    if _is_todays(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_SCHEMA)
        known = _columns(db)
        for name, kind in _ADDED.items():
            if name not in known:
                db.execute(f"ALTER TABLE creative ADD COLUMN {name} {kind}")
        if "number" not in known:
            db.execute(_NUMBER_THE_KNOWN)
        for index in _INDICES:
            db.execute(index)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _is_todays(db: sqlite3.Connection) -> bool:
    """Whether nothing is to be done, so that whoever opens a store waits for no writer."""
    made = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    indices = {"creative_number", "creative_product"}
    return _ADDED.keys() <= _columns(db) and indices <= made


def _columns(db: sqlite3.Connection) -> set[str]:
    return {row[1] for row in db.execute("PRAGMA table_info(creative)")}
