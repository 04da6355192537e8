"""Files of ads: every format tells the same, and what is no ad is refused alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.intake.creatives.feeds import CreativeRow
from adloom.loop.catalogue.intake.creatives.importing import CreativeReport
from tests.loop.catalogue.creative_shop import SHOE, Shop, noise, reasons, row
from tests.tiny_model import tiny_generator


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, tiny_generator())
    yield made
    made.close()


def written(shop: Shop, name: str, rows: Sequence[dict[str, Any]]) -> Path:
    file = shop.folder / name
    if name.endswith(".jsonl"):
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    else:
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(
                opened, list(rows[0]), delimiter="\t" if name.endswith(".tsv") else ";"
            )
            writer.writeheader()
            writer.writerows(rows)
    return file


@pytest.mark.parametrize(
    ("name", "line"), [("ads.csv", 3), ("ads.tsv", 3), ("ads.jsonl", 2), ("ads.parquet", 2)]
)
def test_files_of_every_format_tell_the_same(shop: Shop, name: str, line: int) -> None:
    shop.picture("a.png")
    told = {
        "Ad-ID": "ad-1",
        "product_id": SHOE,
        "Titel": "Renn, auf Wolken",
        "image": "a.png",
        "created": "2026-01-02 03:04:05",
    }
    file = written(shop, name, [told, told | {"Ad-ID": " "}])
    report = shop.take_file(file, columns={"title": "Titel"})
    assert (report.new, report.refused) == (1, 1)
    assert str(report.refusals[0]) == (f"{name}:{line}: ad_id: is missing or empty")
    kept = shop.creatives.get("ad-1")
    assert kept.title == "Renn, auf Wolken"
    assert kept.served_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ad_id": "a" * 129}, "ad_id: is longer than 128 characters"),
        ({"ad_id": "a\u200bb"}, "ad_id: 'a\\u200bb' has characters that no id can have"),
        ({"product_id": ""}, "product_id: is missing or empty"),
        ({"title": "<b> </b>"}, "title: is missing or empty"),
        ({"title": "x" * 301}, "title: is longer than 300 characters"),
        ({"picture": None}, "picture: is missing or empty"),
        ({"picture": "../a.png"}, "picture: '../a.png' leads out of the feed's folder"),
        ({"picture": "file:///etc/passwd"}, "picture: 'file:///etc/passwd' is no http(s)"),
        ({"background": "a\x00b"}, "background: 'a\\x00b' has characters"),
        ({"created": "yesterday"}, "created: not a moment"),
    ],
)
def test_a_row_that_is_no_ad_is_refused_alone(
    shop: Shop, change: dict[str, Any], reason: str
) -> None:
    shop.picture("a.png")
    good = {"ad_id": "ad-1", "product_id": SHOE, "title": "Run", "picture": "a.png"}
    file = written(shop, "ads.jsonl", [good | {"ad_id": "x"} | change, good])
    report = shop.take_file(file)
    assert (report.new, report.refused) == (1, 1)
    assert reasons(report)[0].startswith(reason)


@pytest.mark.parametrize(
    ("name", "content", "columns", "problem"),
    [
        ("none.csv", None, {}, "there is no such file"),
        ("ads.csv", "", {}, "has no ads"),
        ("ads.csv", "ad_id,title,picture\n", {}, "no column 'product_id'"),
        ("ads.csv", "ad_id,title,picture\n", {"titel": "x"}, "creatives.columns: there is no attr"),
        ("ads.xml", "<ads/>", {}, "is XML; ads come as CSV, TSV, JSON lines or Parquet"),
        ("ads.parquet", "no", {}, "is no Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_words(
    shop: Shop, name: str, content: str | None, columns: dict[str, str], problem: str
) -> None:
    if content is not None:
        (shop.folder / name).write_text(content)
    with pytest.raises(FeedUnreadable, match=problem.replace("(", r"\(")):
        shop.take_file(shop.folder / name, columns=columns)


def test_what_came_before_a_file_broke_off_is_taken(shop: Shop) -> None:
    def broken() -> Iterator[CreativeRow]:
        yield row(noise(0))
        raise FeedUnreadable("cut short")

    with pytest.raises(FeedUnreadable, match="cut short"):
        shop.importer().take(broken(), CreativeReport())
    assert shop.creatives.get("ad-1").title == "Run on clouds"
