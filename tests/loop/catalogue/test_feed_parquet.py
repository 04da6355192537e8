"""Parquet feeds become products with the types that the file has."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedRow, FeedUnreadable, Refusal
from adloom.loop.settings.catalogue import CatalogSettings


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    return tmp_path / "feed.parquet"


def read(path: Path, **settings: Any) -> list[FeedRow | Refusal]:
    return list(read_feed(path, CatalogSettings(**settings)))


def test_typed_columns(feed: Path) -> None:
    table = pa.table(
        {
            "id": [4711, 4712],
            "title": ["Mill", "Pan"],
            "price": pa.array([Decimal("19.99"), None], pa.decimal128(10, 2)),
            "currency": ["EUR", "EUR"],
            "availability": [True, False],
            "product_highlight": [["of oak", "made by hand"], []],
            "seen": pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 2),
        }
    )
    pq.write_table(table, feed)
    mill, pan = (row.product for row in read(feed) if isinstance(row, FeedRow))
    assert (mill.product_id, str(mill.price)) == ("4711", "19.99 EUR")
    assert (mill.availability, pan.availability) == ("in_stock", "out_of_stock")
    assert (mill.selling_points, pan.selling_points) == (("of oak", "made by hand"), ())
    assert pan.price is None


def test_rows_are_counted_over_batches_and_groups(feed: Path) -> None:
    ids = [str(number) for number in range(1000)]
    ids[700] = "3"
    pq.write_table(pa.table({"id": ids, "title": ids}), feed, row_group_size=300)
    rows = read(feed)
    assert [row.line for row in rows] == list(range(1, 1001))
    [refusal] = [row for row in rows if isinstance(row, Refusal)]
    assert (refusal.line, refusal.reason) == (701, "id: '3' is that of line 4 already")


def test_a_table_without_the_names_is_refused(feed: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "name": ["Mill"]}), feed)
    with pytest.raises(FeedUnreadable, match="no column 'title'"):
        read(feed)
    [row] = read(feed, columns={"title": "name"})
    assert isinstance(row, FeedRow)


def test_texts_that_are_not_utf8_are_refused_by_row(feed: Path) -> None:
    raw = pa.array([b"Mill", b"M\xfchle"], pa.binary())
    for titles in (raw, raw.view(pa.string())):
        pq.write_table(pa.table({"id": ["1", "2"], "title": titles}), feed)
        first, second = read(feed)
        assert isinstance(first, FeedRow)
        assert isinstance(second, Refusal)
        assert "title: has broken characters" in second.reason


def test_compressed_and_broken_files(feed: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "title": ["Mill"]}), feed)
    compressed = tmp_path / "feed.parquet.gz"
    compressed.write_bytes(gzip.compress(feed.read_bytes()))
    assert len(read(compressed)) == 1
    feed.write_bytes(feed.read_bytes()[:-30])
    with pytest.raises(FeedUnreadable, match="is no Parquet file"):
        read(feed)
