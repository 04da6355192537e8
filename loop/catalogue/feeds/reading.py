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
    seen: dict[str, tuple[str, int]] = {}
    nothing = True
    for file in feed_files(path):
        try:
            for raw in raw_rows(file, columns, settings):
                nothing = False
                yield _row(raw, file.name, settings.language, seen, now or datetime.now(UTC))
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


def _row(
    raw: RawRow, source: str, language: str, seen: dict[str, tuple[str, int]], now: datetime
) -> FeedRow | Refusal:
    warnings: list[str] = []
    try:
        if raw.reason:
            raise RowRefused(raw.reason)
        product = parse_product(raw.fields, language, now=now, warn=warnings.append)
        first_source, first_line = seen.setdefault(product.product_id, (source, raw.line))
        if (first_source, first_line) != (source, raw.line):
            where = "line" if first_source == source else f"{first_source}, line"
            raise RowRefused(
                f"id: {shown(product.product_id)} is that of {where} {first_line} already"
            )
    except RowRefused as error:
        return Refusal(source, raw.line, str(error), _id_of(raw))
    return FeedRow(source, raw.line, product, tuple(warnings))


def _id_of(raw: RawRow) -> str:
    told = raw.fields.get("id")
    return str(told)[:128] if isinstance(told, str | int) else ""
