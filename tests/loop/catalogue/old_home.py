"""A home as a release before the one database left it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from adloom.models.retrieval import VECTOR_SIZE

_CATALOGUE = """
CREATE TABLE product (product_id VARCHAR(128) NOT NULL PRIMARY KEY, told TEXT NOT NULL,
    stamp VARCHAR(64) NOT NULL, picture_stamp VARCHAR(64) NOT NULL, name TEXT NOT NULL,
    category TEXT NOT NULL, language VARCHAR(35) NOT NULL, picture_name VARCHAR(64) NOT NULL,
    cutout_name VARCHAR(64) NOT NULL, no_cutout TEXT NOT NULL, source TEXT NOT NULL,
    retired BOOLEAN NOT NULL, updated DATETIME NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE product_vector (product_id VARCHAR(128) NOT NULL PRIMARY KEY,
    text VARCHAR(64) NOT NULL, vector BLOB NOT NULL, pictured BOOLEAN NOT NULL,
    place BIGINT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE title_word (language VARCHAR(35) NOT NULL, word TEXT NOT NULL,
    titles INTEGER NOT NULL, own BOOLEAN NOT NULL, place INTEGER, PRIMARY KEY (language, word));
CREATE TABLE titles_read (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE feed (source VARCHAR(2048) NOT NULL PRIMARY KEY, stamp VARCHAR(64) NOT NULL,
    read_at DATETIME NOT NULL);
CREATE TABLE claim (work VARCHAR(2048) NOT NULL PRIMARY KEY, until FLOAT NOT NULL);
CREATE TABLE catalogue_revision (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
_CREATIVES = """
CREATE TABLE creative (ad_id TEXT PRIMARY KEY, product_id TEXT NOT NULL, title TEXT NOT NULL,
    picture TEXT NOT NULL, codes BLOB NOT NULL, background_codes BLOB NOT NULL,
    variant TEXT NOT NULL, version TEXT NOT NULL, seed INTEGER NOT NULL, served_at TEXT NOT NULL%s)
    WITHOUT ROWID
"""
_LATER = ", background TEXT NOT NULL DEFAULT '', stamp TEXT NOT NULL DEFAULT '', number INTEGER"


def old_home(home: Path, products: int = 3, name: str = "Mug", numbered: bool = True) -> Path:
    """Products ``mug-0`` and on, an ad of each that the shop had, and one that was drawn."""
    ids = [f"{name.lower()}-{n}" for n in range(products)]
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "catalogue").mkdir()
    (home / "creatives").mkdir()
    vector = np.ones(VECTOR_SIZE, dtype="<f2").tobytes()
    told = json.dumps({"selling_points": ["of oak"], "price": ["9.90", "EUR"]})
    with closing(sqlite3.connect(home / "catalogue" / "catalogue.db")) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_CATALOGUE)
        rows = [
            (i, told, "s", "p", f"{name} Ä", "Küche", "de", "", "", "", "feed.csv", i == ids[0])
            for i in ids
        ]
        moment = "2026-01-02 03:04:05.000000"
        marks = ",".join("?" * 14)
        db.executemany(f"INSERT INTO product VALUES ({marks})", [(*r, moment, 7) for r in rows])
        db.executemany(
            "INSERT INTO product_vector VALUES (?, 't', ?, 1, ?, 7)",
            [(i, vector, hash(i) & 0xFFFFFFFF) for i in ids],
        )
        db.execute("INSERT INTO feed VALUES ('feed.csv', 'as it was', ?)", (moment,))
        db.execute("INSERT INTO title_word VALUES ('de', 'fein', ?, 0, 1)", (products,))
        db.execute("INSERT INTO titles_read VALUES (1, ?)", (products,))
        db.execute("INSERT INTO catalogue_revision VALUES (1, 7)")
    with closing(sqlite3.connect(home / "creatives" / "creatives.db")) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(_CREATIVES % (_LATER if numbered else ""))
        made = [(f"ad-of-{i}", i, f"{name} {i}", "shop") for i in ids]
        made.append((f"drawn-{name}", ids[0], "Drawn", "champion"))
        for number, (ad_id, product_id, title, variant) in enumerate(made, start=1):
            row = (ad_id, product_id, title, "0" * 64, b"\x01\x00", b"\x02\x00", variant, "3", 9)
            later = ("", "file", number if variant == "shop" else None) if numbered else ()
            values = (*row, "2026-01-02T03:04:05+00:00", *later)
            db.execute(f"INSERT INTO creative VALUES ({','.join('?' * len(values))})", values)
    return home
