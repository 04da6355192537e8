"""Feeds of text, CSV and JSON lines, become products; what is none is refused by line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedRow, FeedUnreadable, Refusal
from adloom.loop.catalogue.product import Product
from adloom.loop.settings.catalogue import CatalogSettings


def read(path: Path, **settings: Any) -> tuple[list[FeedRow], list[Refusal]]:
    rows, refusals = [], []
    for row in read_feed(path, CatalogSettings(**settings)):
        if isinstance(row, FeedRow):
            rows.append(row)
        else:
            refusals.append(row)
    return rows, refusals


def products(path: Path, **settings: Any) -> list[Product]:
    """Of a feed in which every row is a product."""
    rows, refusals = read(path, **settings)
    assert refusals == []
    return [row.product for row in rows]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "feed.csv"


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "feed.jsonl"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_in_the_header(csv: Path, separator: str) -> None:
    rows = [["id", "title", "price", "link"], ["1", "Mill", "5 EUR", "/a"]]
    written(csv, "\r\n".join(separator.join(row) for row in rows))
    [mill] = products(csv)
    assert (mill.product_id, mill.name, mill.link) == ("1", "Mill", "/a")


@pytest.mark.parametrize(
    "header", ["ID,Title,Image Link", "g:id,g:title,g:image_link", "Id,TITLE,image-link"]
)
def test_headers_may_be_spelled_in_many_ways(csv: Path, header: str) -> None:
    [mill] = products(written(csv, f"{header}\n1,Mill,mill.png\n"))
    assert (mill.product_id, mill.name, mill.image) == ("1", "Mill", "mill.png")


def test_lines_are_those_of_the_file_where_each_row_begins(csv: Path) -> None:
    text = 'id,title,description\n\n1,Mill,"Of oak\nand\nsteel"\n,None,x\n3,"Gra""ter""",x\n'
    rows, refusals = read(written(csv, text))
    assert [(row.line, row.product.name) for row in rows] == [(3, "Mill"), (7, 'Gra"ter"')]
    assert rows[0].product.description == "Of oak\nand\nsteel"
    assert [(refusal.source, refusal.line) for refusal in refusals] == [("feed.csv", 6)]
    assert "id: is missing" in refusals[0].reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_with_or_without_a_mark(csv: Path, encoding: str) -> None:
    written(csv, "id,title\n1,Mühle 胡椒\n".encode(encoding))
    assert products(csv)[0].name == "Mühle 胡椒"


def test_other_encodings_are_read_when_told(csv: Path) -> None:
    written(csv, "id,title\n1,ミル\n".encode("shift_jis"))
    assert products(csv, encoding="shift_jis")[0].name == "ミル"


@pytest.mark.parametrize(
    ("language", "encoding", "title"),
    [
        ("de", "cp1252", "Schöne Pfeffermühle aus geöltem Nussbaumholz für große Küchen"),
        ("ja", "cp932", "職人が一つ一つ手作りした、天然クルミ材のペッパーミルです。"),
    ],
)
def test_the_old_encoding_of_the_shops_language_is_found(
    csv: Path, language: str, encoding: str, title: str
) -> None:
    rows = "".join(f"{number},{title}\n" for number in range(5))
    written(csv, f"id,title\n{rows}".encode(encoding))
    assert products(csv, language=language)[0].name == title


def test_bytes_that_are_not_text_are_never_guessed(csv: Path) -> None:
    rows, refusals = read(written(csv, b"id,title\n1,M\xfchle\n2,M\xc3\xbchle\n3,Mill\n"))
    assert [row.product.name for row in rows] == ["Mühle", "Mill"]
    assert [refusal.line for refusal in refusals] == [2]
    assert "catalog.encoding" in refusals[0].reason


def test_a_quote_that_is_never_closed_costs_its_row_alone(csv: Path) -> None:
    text = 'id,title\n1,"Mill\n2,Grater\n3,"Pan"\n4,"Pot\n5,Lid\n'
    rows, refusals = read(written(csv, text))
    assert [row.product.product_id for row in rows] == ["2", "3", "5"]
    assert [refusal.line for refusal in refusals] == [2, 5]


def test_quotes_are_letters_where_tabs_separate(tmp_path: Path) -> None:
    feed = written(tmp_path / "feed.tsv", 'id\ttitle\n1\t"Duo" mill, 5"\n2\t"Mill"\n')
    assert [product.name for product in products(feed)] == ['"Duo" mill, 5"', "Mill"]


def test_rows_of_another_width_are_refused(csv: Path) -> None:
    rows, refusals = read(written(csv, "id,title\n1,Mill,x\n2\n3,Pan,,\n"))
    assert [row.product.product_id for row in rows] == ["3"]
    assert [refusal.reason for refusal in refusals] == [
        "row: has 3 fields, the header has 2",
        "row: has 1 fields, the header has 2",
    ]


def test_repeated_columns_are_a_list(csv: Path) -> None:
    text = "id,title,product_highlight,product_highlight\n1,Mill,of oak,made by hand\n2,Pan,,\n"
    mill, pan = products(written(csv, text))
    assert mill.selling_points == ("of oak", "made by hand")
    assert pan.selling_points == ()


def test_rows_that_are_too_large_are_refused_without_being_kept(csv: Path, jsonl: Path) -> None:
    huge = "x" * (1 << 20)
    rows, refusals = read(written(csv, f"id,title\n1,{huge}\n2,Mill\n"))
    assert [row.line for row in rows] == [3]
    assert [refusal.line for refusal in refusals] == [2]
    rows, refusals = read(
        written(jsonl, f'{{"id": "1", "title": "{huge}"}}\n{{"id": "2", "title": "Mill"}}\n')
    )
    assert [row.line for row in rows] == [2]
    assert "larger than 256 KiB" in refusals[0].reason


def test_the_settings_tell_other_names(csv: Path) -> None:
    written(csv, "Nr;Bezeichnung;title;Vorteile\n1;Mühle;intern;aus Holz|handgemacht\n")
    [mill] = products(
        csv, columns={"id": "Nr", "title": "Bezeichnung", "product_highlight": "Vorteile"}
    )
    assert (mill.name, mill.selling_points) == ("Mühle", ("aus Holz", "handgemacht"))


def test_one_column_may_be_two_attributes(csv: Path) -> None:
    written(csv, "sku,title\n1,Mill\n")
    [mill] = products(csv, columns={"id": "sku", "link": "sku"})
    assert (mill.product_id, mill.link) == ("1", "1")


def test_names_that_are_not_there_end_the_reading(csv: Path, jsonl: Path) -> None:
    written(csv, "id,Bezeichnung\n1,Mühle\n")
    with pytest.raises(FeedUnreadable, match="no 'Bezeichnug' for title; did you mean 'Bezeich"):
        read(csv, columns={"title": "Bezeichnug"})
    with pytest.raises(FeedUnreadable, match="no attribute 'titel'; did you mean 'title'"):
        read(csv, columns={"titel": "Bezeichnung"})
    with pytest.raises(FeedUnreadable, match="no column 'title'; it has 'id', 'Bezeichnung'"):
        read(csv)
    written(jsonl, '{"id": "1", "names": {"de": "Mühle"}}\n')
    with pytest.raises(FeedUnreadable, match=r"no 'names.dee' .* did you mean 'names.de'"):
        read(jsonl, columns={"title": "names.dee"})


def test_a_told_name_that_no_row_needs_is_warned_of(jsonl: Path, tmp_path: Path) -> None:
    columns = {"sale_price": "angebot", "link": "seite"}
    warned = (
        "catalog.columns: the first rows have no 'angebot' for sale_price",
        "catalog.columns: the first rows have no 'seite' for link",
    )
    written(jsonl, '{"id": "1", "title": "Mill"}\n{"id": "2", "title": "Pan"}\n')
    rows, _ = read(jsonl, columns=columns)
    assert [row.warnings for row in rows] == [warned, ()]
    feed = written(tmp_path / "a.xml", "<a><item><id>1</id><title>Mill</title></item></a>")
    rows, _ = read(feed, columns=columns)
    assert [row.warnings for row in rows] == [warned]


def test_json_lines_may_nest(jsonl: Path) -> None:
    row = {
        "sku": 4711,
        "names": {"de": "Mühle"},
        "pictures": [{"url": "mill.png"}],
        "price": {"value": 19.99, "currency": "EUR"},
        "productHighlights": ["aus Holz"],
    }
    columns = {"id": "sku", "title": "names.de", "image_link": "pictures.0.url"}
    [mill] = products(written(jsonl, json.dumps(row)), columns=columns)
    assert (mill.product_id, mill.name, mill.image) == ("4711", "Mühle", "mill.png")
    assert (str(mill.price), mill.selling_points) == ("19.99 EUR", ("aus Holz",))


def test_bad_lines_of_json_are_refused_one_by_one(jsonl: Path) -> None:
    lines = ['{"id": "1", "title": "Mill"}', "", "{", "3", "[" * 5000, '{"id": "6"}']
    rows, refusals = read(written(jsonl, "\n".join(lines)))
    assert [row.line for row in rows] == [1]
    assert [refusal.line for refusal in refusals] == [3, 4, 5, 6]
    assert refusals[-1].product_id == "6"


@pytest.mark.parametrize(
    "document",
    [
        '[{"id": "1", "title": "Mill"}]',
        '{"products": [{"id": "1", "title": "Mill"}]}',
        '{\n  "products": [\n    {"id": "1"}\n  ]\n}',
        '[\n {"id": "1"}\n]',
    ],
)
def test_one_json_document_is_refused_in_words(jsonl: Path, document: str) -> None:
    with pytest.raises(FeedUnreadable, match="one JSON document; write each row"):
        read(written(jsonl, document))


def test_the_first_row_of_an_id_counts(csv: Path) -> None:
    rows, refusals = read(written(csv, "id,title\n1,Mill\n2,Pan\n1,Grater\n"))
    assert [row.product.name for row in rows] == ["Mill", "Pan"]
    assert str(refusals[0]) == "feed.csv:4 (1): id: '1' is that of line 2 already"


def test_a_row_refused_leaves_its_id_to_the_next(csv: Path) -> None:
    rows, _ = read(written(csv, "id,title,price\n1,Mill,free\n1,Mill,5 EUR\n"))
    assert [row.line for row in rows] == [3]


def test_a_folder_is_one_feed_in_the_order_of_names(tmp_path: Path) -> None:
    written(tmp_path / "b.jsonl", '{"id": "2", "title": "Pan"}\n{"id": "1", "title": "Pot"}\n')
    written(tmp_path / "a.csv", "id,title\n1,Mill\n")
    written(tmp_path / ".hidden.csv", "nothing")
    written(tmp_path / "notes.md", "nothing")
    rows, refusals = read(tmp_path)
    assert [(row.source, row.product.name) for row in rows] == [
        ("a.csv", "Mill"),
        ("b.jsonl", "Pan"),
    ]
    assert str(refusals[0]) == "b.jsonl:2 (1): id: '1' is that of a.csv, line 2 already"


def test_the_format_is_the_names_else_the_contents(tmp_path: Path) -> None:
    text = "id\ttitle\n1\tMill\n"
    for name in ("feed.tsv", "feed.txt", "feed", "feed.tsv.gz"):
        data = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
        assert products(written(tmp_path / name, data))[0].name == "Mill"
    line = '{"id": "1", "title": "Mill"}'
    assert products(written(tmp_path / "export", line))[0].name == "Mill"
    assert products(written(tmp_path / "export.csv", line), format="jsonl")[0].name == "Mill"


def test_what_is_no_feed_says_so(tmp_path: Path) -> None:
    with pytest.raises(FeedUnreadable, match="there is no such feed"):
        read(tmp_path / "none.csv")
    with pytest.raises(FeedUnreadable, match="the folder has no feed"):
        read(tmp_path)
    for empty in ("", "\n\n", "id,title\n"):
        with pytest.raises(FeedUnreadable, match="has no products"):
            read(written(tmp_path / "empty.csv", empty))


def test_gzip_expands_only_so_far(tmp_path: Path) -> None:
    bomb = gzip.compress(b"id,title\n1," + b"x" * (80 << 20))
    with pytest.raises(FeedUnreadable, match="expands to more than 100 times"):
        read(written(tmp_path / "feed.csv.gz", bomb))
    whole = gzip.compress(b"id,title\n1,Mill\n" * 1000)
    with pytest.raises(FeedUnreadable, match="gzip file is broken"):
        read(written(tmp_path / "feed.csv.gz", whole[:-20]))


def test_warnings_come_with_the_row(csv: Path) -> None:
    rows, _ = read(written(csv, "id,title,price,sale_price\n1,Mill,5 EUR,6 EUR\n"))
    assert rows[0].warnings == ("sale_price: left out, for 6 EUR is not below the price 5 EUR",)
