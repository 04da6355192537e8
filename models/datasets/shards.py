"""Shards of a data set: Parquet files that are read a few rows at a time.

Parquet needs no library beside what the feature store has already, is read by columns and row
groups from folders and object stores alike, and can be looked at with any tool.

A folder holds ``dataset.json`` and ``shard-00000.parquet`` and so on. Each shard is written beside
its name and moved there, so that what has the name is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from adloom.models.brief import HistoryAd
from adloom.models.datasets.record import AdRecord, Split
from adloom.models.folders import DATA_SET_FILE, no_shards
from adloom.models.placement import Placement

MANIFEST = DATA_SET_FILE
FORMAT = 1
ROWS_AT_ONCE = 64
"""Rows of a row group: what a reader has in memory of each shard it reads."""

_CODES = pa.list_(pa.int16())
_PLACEMENT = pa.struct([(name, pa.float64()) for name in ("centre", "bottom", "width", "height")])
_PAST = pa.struct([("title", pa.string()), ("codes", _CODES), ("ad_id", pa.string())])
SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("titles", pa.list_(pa.string()), nullable=False),
        pa.field("cutout", pa.binary(), nullable=False),
        pa.field("picture", pa.binary(), nullable=False),
        pa.field("codes", _CODES, nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("short_name", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("placement", _PLACEMENT),
        pa.field("history", pa.list_(_PAST), nullable=False),
        pa.field("likeness", pa.list_(pa.float32()), nullable=False),
    ]
)


class BadShards(ValueError):
    """A folder holds no data set that can be read; the message says what is wrong with it."""


class EncodesPictures(Protocol):
    """What names the codebooks of a base: of pictures, and of histories."""

    @property
    def codebook_name(self) -> str: ...

    @property
    def history_codebook_name(self) -> str: ...


class Manifest(BaseModel):
    """What a data set is, and what it was encoded with.

    ``codebook`` names the codebook of pictures and ``history_codebook`` that of histories, each
    with the size of the pictures: a base with others cannot read the codes. ``records`` counts
    them by split; ``left_out`` counts what could not be used by reason. ``complete`` is false while
    it is being encoded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    codebook: str
    history_codebook: str
    picture_size: int
    shards: int = 0
    records: Mapping[Split, int] = {}
    languages: Mapping[str, int] = {}
    left_out: Mapping[str, int] = {}
    complete: bool = False

    def read_by(self, encoder: EncodesPictures) -> bool:
        """Whether a base that encodes pictures so can read the codes."""
        own = encoder.codebook_name, encoder.history_codebook_name
        return own == (self.codebook, self.history_codebook)

    def save(self, folder: Path) -> None:
        """Write it into ``folder`` in one move."""
        partial = folder / f"{MANIFEST}.partial"
        partial.write_text(self.model_dump_json(indent=2) + "\n")
        partial.replace(folder / MANIFEST)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read that of a folder.

        Raises:
            BadShards: there is none, or it is damaged or of another format.
        """
        path = folder / MANIFEST
        if (problem := no_shards(folder)) is not None:
            raise BadShards(problem)
        try:
            found = json.loads(path.read_text())
            if isinstance(found, dict) and found.get("format") != FORMAT:
                raise BadShards(f"{path} is of format {found.get('format')!r}, not {FORMAT}")
            return cls.model_validate(found)
        except (ValidationError, ValueError) as error:
            if isinstance(error, BadShards):
                raise
            raise BadShards(f"{path} is damaged: encode the data set again") from error


def shard_file(folder: Path, number: int) -> Path:
    """The shard of that number, from 0."""
    return folder / f"shard-{number:05}.parquet"


def write_shard(folder: Path, number: int, records: Sequence[AdRecord]) -> Path:
    """Write a shard, whole or not at all."""
    path = shard_file(folder, number)
    partial = path.with_suffix(".partial")
    rows = [_to_row(record) for record in records]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, partial, row_group_size=ROWS_AT_ONCE, compression="zstd")
    partial.replace(path)
    return path


def read_shard(path: Path, *, split: Split | None = None) -> Iterator[AdRecord]:
    """Records of a shard in order, a row group in memory at a time.

    Raises:
        BadShards: the file is damaged, or no shard.
    """
    for group in range(row_groups(path)):
        rows = read_rows(path, group)
        for at in range(len(rows)):
            if split is None or rows["split"][at].as_py() == split:
                yield record_at(rows, at)


def row_groups(path: Path) -> int:
    """How many row groups a shard has.

    Raises:
        BadShards: the file is damaged, or no shard.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        return int(file.num_row_groups)


def read_rows(path: Path, group: int, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Rows of one group of a shard, no more than ``columns`` of them, as Arrow keeps them.

    Raises:
        BadShards: the file is damaged, or no shard.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        rows = file.read_row_group(group, columns=list(columns))
        if missing := set(columns) - set(rows.column_names):
            raise KeyError(f"without {min(missing)}")
        return rows


def record_at(rows: pa.Table, at: int) -> AdRecord:
    """One of what :func:`read_rows` read; where ``picture`` was left out it is empty."""
    return _from_row({"picture": b"", **rows.slice(at, 1).to_pylist()[0]})


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BadShards(f"{path} cannot be read ({error}): remove it and encode again") from error


def shard_files(folder: Path) -> list[Path]:
    """All shards of a complete data set, in order.

    Raises:
        BadShards: it is not complete, or shards are missing.
    """
    manifest = Manifest.load(folder)
    if not manifest.complete:
        raise BadShards(f"{folder} is not encoded to its end: run adloom base encode again")
    files = [shard_file(folder, number) for number in range(manifest.shards)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise BadShards(f"{folder}: {missing[0]} is missing: run adloom base encode again")
    return files


def _to_row(record: AdRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in SCHEMA.names},
        "codes": record.codes.tolist(),
        "placement": None if record.placement is None else asdict(record.placement),
        "history": [
            {"title": ad.title, "codes": ad.codes.tolist(), "ad_id": ad.ad_id}
            for ad in record.history
        ],
    }


def _from_row(row: dict[str, Any]) -> AdRecord:
    placement = row["placement"]
    history = tuple(
        HistoryAd(ad["title"], np.asarray(ad["codes"], dtype=np.int16), ad["ad_id"])
        for ad in row["history"]
    )
    return AdRecord(
        **{
            **row,
            "titles": tuple(row["titles"]),
            "words": tuple(row["words"]),
            "codes": np.asarray(row["codes"], dtype=np.int16),
            "placement": None if placement is None else Placement(**placement),
            "history": history,
            "likeness": tuple(row["likeness"]),
        }
    )
