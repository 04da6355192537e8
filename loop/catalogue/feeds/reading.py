"""The door for feeds: a file or a folder in, products and refusals out."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from adloom.loop.catalogue.feeds.columns import Columns
from adloom.loop.catalogue.feeds.delimited import delimited_rows
from adloom.loop.catalogue.feeds.encodings import decoded
from adloom.loop.catalogue.feeds.files import feed_files, format_of, open_feed
from adloom.loop.catalogue.feeds.jsonlines import json_rows
from adloom.loop.catalogue.feeds.parquet import parquet_rows
from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.refusals import (
    FeedRow,
    FeedUnreadable,
    Refusal,
    RowRefused,
    shown,
)
from adloom.loop.catalogue.feeds.rows import RawRow
from adloom.loop.catalogue.feeds.xml_items import xml_rows
from adloom.loop.settings.catalogue import CatalogSettings

_LINE_BITS = 40  # a file and a line are kept for each id: one number takes half of a pair


def read_feed(
    path: Path, settings: CatalogSettings, *, now: datetime | None = None
) -> Iterator[FeedRow | Refusal]:
    """Products of a feed in its order; rows that are none are refused one by one.

    Rows are read as they are asked for. The first row with an id counts, later ones are refused.
    ``path`` is a file, or a folder whose feeds are one feed. ``now`` (aware; none = this moment)
    decides which sale prices hold.

    Raises FeedUnreadable, at any row: the feed is missing, empty, broken, or has not the names
    that the settings tell.
    """
    columns = Columns(settings.columns)
    seen: dict[str, int] = {}
    nothing = True
    files = feed_files(path)
    for number, file in enumerate(files):
        try:
            for raw in raw_rows(file, columns, settings):
                nothing = False
                row = _row(raw, file.name, settings.language, now or datetime.now(UTC))
                place = number << _LINE_BITS | raw.line
                yield _first_of_id(row, place, seen, files)
        except FeedUnreadable as error:
            raise FeedUnreadable(f"{file}: {error}") from error
    if nothing:
        raise FeedUnreadable(f"{path}: has no products")


def raw_rows(file: Path, columns: Columns, settings: CatalogSettings) -> Iterator[RawRow]:
    """The rows of one file, read as they are asked for. Raises FeedUnreadable, at any row."""
    with open_feed(file) as opened:
        yield from _READERS[settings.format or format_of(file, opened)](opened, columns, settings)


def _csv(file: io.BufferedReader, columns: Columns, settings: CatalogSettings) -> Iterator[RawRow]:
    text = decoded(file, settings.encoding, settings.language)
    return delimited_rows(text, columns, separator=None)


def _tsv(file: io.BufferedReader, columns: Columns, settings: CatalogSettings) -> Iterator[RawRow]:
    text = decoded(file, settings.encoding, settings.language)
    return delimited_rows(text, columns, separator="\t")


def _jsonl(
    file: io.BufferedReader, columns: Columns, settings: CatalogSettings
) -> Iterator[RawRow]:
    return json_rows(decoded(file, settings.encoding, settings.language), columns)


def _xml(file: io.BufferedReader, columns: Columns, settings: CatalogSettings) -> Iterator[RawRow]:
    return xml_rows(file, columns)


def _parquet(
    file: io.BufferedReader, columns: Columns, settings: CatalogSettings
) -> Iterator[RawRow]:
    return parquet_rows(file, columns)


_READERS = {"csv": _csv, "tsv": _tsv, "jsonl": _jsonl, "xml": _xml, "parquet": _parquet}


def _row(raw: RawRow, source: str, language: str, now: datetime) -> FeedRow | Refusal:
    warnings = list(raw.warnings)
    try:
        if raw.reason:
            raise RowRefused(raw.reason)
        product = parse_product(raw.fields, language, now=now, warn=warnings.append)
    except RowRefused as error:
        told = raw.fields.get("id")
        known = str(told)[:128] if isinstance(told, str | int) else ""
        return Refusal(source, raw.line, str(error), known)
    return FeedRow(source, raw.line, product, tuple(warnings))


def _first_of_id(
    row: FeedRow | Refusal, place: int, seen: dict[str, int], files: list[Path]
) -> FeedRow | Refusal:
    """The row, or a refusal that names the row which has its id already."""
    if isinstance(row, Refusal):
        return row
    product_id = row.product.product_id
    first = seen.setdefault(product_id, place)
    if first == place:
        return row
    source, line = files[first >> _LINE_BITS].name, first & ((1 << _LINE_BITS) - 1)
    where = "line" if source == row.source else f"{source}, line"
    reason = f"id: {shown(product_id)} is that of {where} {line} already"
    return Refusal(row.source, row.line, reason, product_id)
