"""Looks for a user's id in every byte."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def forms(name: str) -> list[bytes]:
    """How a name may be written: as it is, and as JSON has it with and without escapes."""
    told = {name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
    return [form.encode() for form in told]


def has(content: bytes, name: str) -> bool:
    """Whether any form of the name is in some bytes."""
    return any(form in content for form in forms(name))


def files_with(name: str, folder: Path) -> list[str]:
    """Files under a folder that have a name in their bytes, in their rows, or are called so.

    What is compressed is read as what it is.
    """
    found = []
    for path in folder.rglob("*"):
        named = has(str(path.relative_to(folder)).encode(), name)
        if named or (path.is_file() and any(has(part, name) for part in _contents(path))):
            found.append(str(path))
    return found


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(b"PAR1"):
        yield repr(pq.read_table(path).to_pylist()).encode()
        yield json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()


def texts_of(rows: Any) -> bytes:
    """Rows of any kind as bytes to search."""
    return repr(rows).encode()
