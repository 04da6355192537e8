"""Which ads a batch draws: every pair once, in a file of the output, a row group for each part.

It is written once and whole, before anything is drawn, so that whoever goes on with the batch, on
whatever machine, reads the pairs of a part and nothing else.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.loop.batch.ids import UnfitInput
from adloom.loop.batch.order import Order

Pair = tuple[str, str]
"""Ids of a user and of a product."""
_ORDER = b"adloom"
_SCHEMA = pa.schema([("user_id", pa.string()), ("product_id", pa.string())])


class Plan:
    """The pairs of a batch, read part by part."""

    def __init__(self, file: Path) -> None:
        """Raises UnfitInput where the file is damaged."""
        try:
            self._file = pq.ParquetFile(file)
            told = (self._file.schema_arrow.metadata or {})[_ORDER]
            self.order = Order.model_validate_json(told)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise UnfitInput(
                f"{file} is damaged ({error}): choose another --out, or remove this one"
            ) from error

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    @property
    def ads(self) -> int:
        """How many pairs there are."""
        return int(self._file.metadata.num_rows)

    @property
    def parts(self) -> int:
        """How many parts they make."""
        return int(self._file.metadata.num_row_groups)

    def ads_of(self, part: int) -> int:
        """How many pairs a part has; parts count from 0."""
        return int(self._file.metadata.row_group(part).num_rows)

    def pairs(self, part: int) -> list[Pair]:
        """The pairs of a part, in their order."""
        rows = self._file.read_row_group(part)
        columns = (rows.column(name).to_pylist() for name in _SCHEMA.names)
        return list(zip(*columns, strict=True))


def write_plan(file: Path, order: Order, pairs: Iterable[Pair]) -> None:
    """Write the pairs, whole or not at all. Raises UnfitInput where there is none."""
    partial = file.with_name(f"{file.name}.{uuid.uuid4().hex}.partial")
    schema = _SCHEMA.with_metadata({_ORDER: order.model_dump_json().encode()})
    rest, rows = iter(pairs), 0
    try:
        with pq.ParquetWriter(partial, schema) as writer:
            while some := list(islice(rest, order.part_rows)):
                columns = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
                table = pa.Table.from_arrays(columns, schema=schema)
                writer.write_table(table, row_group_size=order.part_rows)
                rows += len(some)
        if not rows:
            raise UnfitInput("there is nothing to draw: the files name no user and product")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


class Once:
    """Lets each row through the first time. What it has seen lies on disk, not in memory."""

    def __init__(self) -> None:
        self.again = 0
        """Rows that came again."""

    def of(self, rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """The rows that were not there before."""
        with closing(sqlite3.connect("", isolation_level=None)) as seen:  # a file without a name
            seen.execute("CREATE TABLE seen (row BLOB PRIMARY KEY) WITHOUT ROWID")
            seen.execute("BEGIN")
            for row in rows:
                name = hashlib.blake2b("\0".join(row).encode(), digest_size=16).digest()
                if seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", [name]).rowcount:
                    yield row
                else:
                    self.again += 1
