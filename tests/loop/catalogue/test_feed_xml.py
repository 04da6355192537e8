"""Google's XML feeds become products; XML that is made to do harm is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedRow, FeedUnreadable, Refusal
from adloom.loop.catalogue.product import Product
from adloom.loop.settings.catalogue import CatalogSettings

RSS = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0">
  <channel>
    <title>The shop</title>
    {items}
  </channel>
</rss>
"""


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    return tmp_path / "feed.xml"


def read(path: Path, text: str | bytes, **settings: Any) -> list[FeedRow | Refusal]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_feed(path, CatalogSettings(**settings)))


def products(path: Path, text: str | bytes, **settings: Any) -> list[Product]:
    rows = read(path, text, **settings)
    assert [row for row in rows if isinstance(row, Refusal)] == []
    return [row.product for row in rows if isinstance(row, FeedRow)]


def test_rss_with_lists_character_data_and_groups(feed: Path) -> None:
    items = """<item>
      <g:id>1</g:id>
      <title>Page of the mill</title>
      <g:title><![CDATA[Salz- & Pfeffermühle <Duo>]]></g:title>
      <g:description>&lt;p&gt;Of &lt;b&gt;oak&lt;/b&gt;&lt;/p&gt;</g:description>
      <link>https://shop.example/mill</link>
      <g:price>19.99 EUR</g:price>
      <g:shipping><g:country>DE</g:country><g:price>4.99 EUR</g:price></g:shipping>
      <g:product_highlight>of oak</g:product_highlight>
      <g:product_highlight>made by hand</g:product_highlight>
    </item>"""
    [mill] = products(feed, RSS.format(items=items))
    assert mill.name == "Salz- & Pfeffermühle <Duo>"
    assert mill.description == "Of oak"
    assert mill.link == "https://shop.example/mill"
    assert str(mill.price) == "19.99 EUR"
    assert mill.selling_points == ("of oak", "made by hand")


def test_atom_with_links_in_attributes(feed: Path) -> None:
    [mill] = products(
        feed,
        """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
        <id>tag:shop</id><entry><id>tag:shop,1</id><g:id>1</g:id><title>Mill</title>
        <link rel="self" href="https://shop.example/feed"/>
        <link href="https://shop.example/mill"/></entry></feed>""",
    )
    assert (mill.product_id, mill.name, mill.link) == ("1", "Mill", "https://shop.example/mill")


def test_own_names_of_elements_are_told_by_the_settings(feed: Path) -> None:
    text = "<shop><products><product><nr>1</nr><name>Mühle</name></product></products></shop>"
    [mill] = products(feed, text, columns={"id": "nr", "title": "name"})
    assert (mill.product_id, mill.name) == ("1", "Mühle")
    with pytest.raises(FeedUnreadable, match="no 'namen' for title; did you mean 'name'"):
        read(feed, text, columns={"id": "nr", "title": "namen"})


def test_rows_are_told_by_the_line_where_they_begin(feed: Path) -> None:
    lines = "\n" * 70_000  # more than sixteen bits count
    items = f"<item><g:id>1</g:id><title>Mill</title></item>{lines}<item><g:id>2</g:id></item>"
    rows = read(feed, RSS.format(items=items))
    assert [row.line for row in rows] == [5, 70_005]
    assert isinstance(rows[1], Refusal)
    assert rows[1].product_id == "2"


def test_an_encoding_that_the_document_declares(feed: Path) -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><a><item><id>1</id><title>Mühle</title></item></a>'  # noqa: E501
    assert products(feed, text.encode("latin-1"))[0].name == "Mühle"
    assert products(feed, text.replace("ISO-8859-1", "UTF-16").encode("utf-16"))[0].name == "Mühle"


def test_items_that_are_too_large_are_refused(feed: Path) -> None:
    big = f"<item><g:id>1</g:id><title>{'x' * (1 << 20)}</title></item>"
    many = f"<item><g:id>2</g:id>{'<x/>' * (1 << 18)}</item>"
    good = "<item><g:id>3</g:id><title>Mill</title></item>"
    rows = read(feed, RSS.format(items=big + many + good))
    assert [isinstance(row, FeedRow) for row in rows] == [False, False, True]
    assert all("larger than 256 KiB" in row.reason for row in rows if isinstance(row, Refusal))


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><item><id>&x;</id></item></a>',
        '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><a><item><id>&b;</id></item></a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a><item><id>1</id></item></a>',
    ],
)
def test_document_types_and_so_entities_are_refused(feed: Path, text: str) -> None:
    with pytest.raises(FeedUnreadable, match="has a document type"):
        read(feed, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<a>" * 1000, "more than 100 elements inside each other"),
        (f"<a b='{'x' * (3 << 20)}'/>", "a tag of more than 1 MiB"),
        ("<a><item><id>1</id>", "line 1: is not well-formed XML: no element found"),
        ("<a>&nbsp;</a>", "is not well-formed XML: undefined entity"),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', "encoding"),
        ('<?xml version="1.0" encoding="what"?><a/>', "encoding"),
        ("plain", "is not well-formed XML"),
        ("<a/>", "has no products"),
    ],
)
def test_what_cannot_be_read_says_why(feed: Path, text: str, reason: str) -> None:
    with pytest.raises(FeedUnreadable, match=reason):
        read(feed, text)


def test_items_before_the_fault_are_read(feed: Path) -> None:
    feed.write_text("<a>" + "<item><id>1</id><title>Mill</title></item>" * 101 + "<item></a>")
    rows = read_feed(feed, CatalogSettings())
    assert isinstance(next(rows), FeedRow)
