"""Rows of a click log, one after the other: CSV, JSON lines, Parquet; plain or in gzip."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.lines import Lines, LineTooLong, opened
from adloom.stream.own_events import Bytes, Float32
from adloom.stream.plain_json import plain

SEPARATORS = ",;\t|"
_PARQUET = b"PAR1"
_ROWS_AT_ONCE = 4096
_MAX_COLUMNS = 10_000
_OF_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)

Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True)
class Row:
    """A row of a file.

    Attributes:
        line: in the file, from 1; of Parquet the number of the row.
        part: of the file that was read with it, 0 to 1.
        problem: why there are no fields; None where there are.
    """

    line: int
    part: float
    fields: Mapping[str, Any]
    problem: str | None = None


def format_of(file: Path) -> Format:
    """How a file is written, by its first bytes. Raises ClickLogUnavailable."""
    try:
        with opened(file) as (source, _):
            start = source.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(file, error) from error
    if start.startswith(_PARQUET):
        return "parquet"
    if start.startswith(b"["):
        raise ClickLogUnavailable(
            f"{file} is a JSON array: write one object a line (jq -c '.[]' FILE)"
        )
    return "jsonl" if start.startswith(b"{") else "csv"


def read_rows(file: Path, separator: str | None = None) -> Iterator[Row]:
    """Every row of a file, read as it is asked for; memory does not grow with the file.

    Args:
        separator: of CSV; None takes that of , ; tab | which the first line has most of.

    Raises ClickLogUnavailable when the file, or the rest of it, cannot be read.
    """
    found = format_of(file)
    try:
        if found == "parquet":
            yield from _parquet(file)
            return
        with opened(file) as (source, part):
            lines = Lines(source)
            rows = _json_lines(lines) if found == "jsonl" else _csv(lines, separator)
            for line, fields, problem in rows:
                yield Row(line, part(), fields, problem)
    except (OSError, EOFError, zlib.error, csv.Error, LineTooLong, pa.ArrowException) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> ClickLogUnavailable:
    return ClickLogUnavailable(f"{file} cannot be read as a click log: {error}")


_Read = tuple[int, Mapping[str, Any], str | None]


def _csv(lines: Lines, separator: str | None) -> Iterator[_Read]:
    heading = next(lines, "")
    if not heading.strip():
        raise csv.Error("its first line is empty")
    separator = separator or max(SEPARATORS, key=lambda each: len(_cells(heading, each)))
    names = [name.strip() for name in _cells(heading, separator)]
    if len(names) > _MAX_COLUMNS:
        raise csv.Error(f"{len(names)} columns")
    if twice := _twice(names):
        raise csv.Error(twice)
    reader = csv.reader(lines, delimiter=separator)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, LineTooLong) as error:
            yield line, {}, str(error)
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            yield line, {}, f"{len(cells)} fields, and the first line has {len(names)}"
            continue
        yield line, dict(zip(names, cells, strict=True)), None


def _twice(names: Sequence[str]) -> str | None:
    """Which of two columns of one name is meant nobody knows; those without a name are not read."""
    again = [name for name, times in Counter(names).items() if name and times > 1]
    return f"several columns are called {again[0]}: keep one of them" if again else None


def _cells(heading: str, separator: str) -> list[str]:
    return next(csv.reader([heading], delimiter=separator), [])


def _json_lines(lines: Lines) -> Iterator[_Read]:
    while True:
        try:
            text = next(lines)
        except StopIteration:
            return
        except LineTooLong as error:
            yield lines.number, {}, str(error)
            continue
        if not text.strip():
            continue
        try:
            found = from_json(text.encode(errors="surrogateescape"))
        except ValueError as error:
            yield lines.number, {}, f"not JSON: {error}"
            continue
        if isinstance(found, dict):
            yield lines.number, found, None
        else:
            yield lines.number, {}, "not a JSON object"


def _parquet(file: Path) -> Iterator[Row]:
    with pq.ParquetFile(file) as table:
        if twice := _twice(table.schema_arrow.names):
            raise pa.ArrowInvalid(twice)
        converts = {
            field.name: convert
            for field in table.schema_arrow
            if (convert := _convert(field.type)) is not None
        }
        number = 0
        for batch in table.iter_batches(_ROWS_AT_ONCE):
            for fields in batch.to_pylist():
                number += 1
                for name, convert in converts.items():
                    if fields[name] is not None:
                        fields[name] = convert(fields[name])
                yield Row(number, number / table.metadata.num_rows, plain(fields))


def _convert(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What keeps a value as the writer meant it, where Python's type does not."""
    if any(is_bytes(kind) for is_bytes in _OF_BYTES):
        return _text  # older writers do not note that it is text
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return Float32
    return None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Bytes(plain(value))
