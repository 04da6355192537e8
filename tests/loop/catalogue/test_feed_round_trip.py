"""Products that are written in any format are read as they were; any bytes are read or refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import get_args
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedRow, FeedUnreadable
from adloom.loop.catalogue.feeds.texts import description_text, title_text
from adloom.loop.catalogue.product import AVAILABILITIES, Price, Product
from adloom.loop.settings.catalogue import CatalogSettings, FeedFormat
from adloom.models.titles.scripts import can_be_seen

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufffd")
LINES = st.text(CHARACTERS | st.sampled_from("<>&;\"'|,\t\n"), max_size=60)
TITLES = LINES.map(lambda text: title_text(text, "title")).filter(
    lambda text: can_be_seen(text) and title_text(text, "title") == text
)
DESCRIPTIONS = LINES.map(lambda text: description_text(text, "description")).filter(
    lambda text: description_text(text, "description") == text
)
POINTS = st.text("aäñ胡椒👍 <&,'", min_size=2, max_size=60).filter(
    # Two commas in one text are those of a list.
    lambda text: title_text(text, "title") == text and len(text) >= 2 and text.count(",") < 2
)
PRICES = st.builds(
    Price, st.decimals(1, 10**6, places=2), st.sampled_from(["EUR", "USD", "JPY", "KWD"])
)


@st.composite
def lists_of_products(draw: st.DrawFn) -> list[Product]:
    products = []
    for number in range(draw(st.integers(1, 5))):
        price = draw(st.none() | PRICES)
        products.append(
            Product(
                product_id=f"{number}-{draw(TITLES)}",
                name=draw(TITLES),
                short_name=draw(st.just("") | TITLES),
                description=draw(DESCRIPTIONS),
                # Without, they would come from the description.
                selling_points=tuple(
                    draw(st.lists(POINTS, min_size=1, max_size=4, unique_by=str.casefold))
                ),
                language=draw(st.sampled_from(["en", "de", "pt-BR"])),
                price=price,
                sale_price=price
                and draw(st.none() | st.just(Price(price.amount - Decimal("0.5"), price.currency))),
                availability=draw(st.sampled_from(AVAILABILITIES)),
                link=draw(st.sampled_from(["", "/p?a=1&b=2", "https://shop.example/ü"])),
                image=draw(st.sampled_from(["", "a b.png", "https://shop.example/1.webp"])),
                brand=draw(st.just("") | TITLES),
                category=draw(st.sampled_from(["", "Home", "Home > Kitchen"])),
            )
        )
    return products


def attributes(product: Product) -> dict[str, str | list[str]]:
    return {
        "id": product.product_id,
        "title": product.name,
        "short_title": product.short_name,
        "description": product.description,
        "product_highlight": list(product.selling_points),
        "content_language": product.language,
        "price": str(product.price or ""),
        "sale_price": str(product.sale_price or ""),
        "availability": product.availability,
        "link": product.link,
        "image_link": product.image,
        "brand": product.brand,
        "product_type": product.category,
    }


def as_delimited(separator: str, encoding: str = "utf-8") -> Callable[[list[Product]], bytes]:
    def write(products: list[Product]) -> bytes:
        text = io.StringIO()
        rows = [attributes(product) for product in products]
        plain = [name for name in rows[0] if name != "product_highlight"]
        writer = csv.writer(text, delimiter=separator)
        writer.writerow([*plain, *["product_highlight"] * 4])
        for row in rows:
            points = [*row["product_highlight"], "", "", "", ""][:4]
            writer.writerow([*(row[name] for name in plain), *points])
        return text.getvalue().encode(encoding)

    return write


def as_json_lines(products: list[Product]) -> bytes:
    lines = [json.dumps(attributes(product)) for product in products]
    return "\n".join(lines).encode()


def as_xml(products: list[Product]) -> bytes:
    items = []
    for product in products:
        children = []
        for name, told in attributes(product).items():
            values = told if isinstance(told, list) else [told]
            children += [f"<g:{name}>{escape(value)}</g:{name}>" for value in values]
        items.append(f"<item>{''.join(children)}</item>")
    begin = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
    return f"{begin}{''.join(items)}</channel></rss>".encode()


def as_parquet(products: list[Product]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([attributes(product) for product in products]), file)
    return file.getvalue()


WRITERS: dict[str, Callable[[list[Product]], bytes]] = {
    "feed.csv": as_delimited(","),
    "marked.csv": as_delimited(",", "utf-16"),
    "semicolons.csv": as_delimited(";"),
    "feed.tsv": as_delimited("\t"),
    "feed.jsonl": as_json_lines,
    "feed.xml": as_xml,
    "feed.parquet": as_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None)
@given(products=lists_of_products(), compressed=st.booleans())
def test_what_is_written_is_read(name: str, products: list[Product], compressed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / (f"{name}.gz" if compressed else name)
        data = WRITERS[name](products)
        file.write_bytes(gzip.compress(data) if compressed else data)
        rows = list(read_feed(file, CatalogSettings()))
    assert [row.product if isinstance(row, FeedRow) else row for row in rows] == products


SAMPLE = [
    Product("1", "Mill", description='Of "oak"\nand steel', selling_points=("of oak", "by hand")),
    Product("2", "Pfanne", price=Price(Decimal(5), "EUR"), language="de"),
]
SAMPLES = [write(SAMPLE) for write in WRITERS.values()]


@st.composite
def broken_feeds(draw: st.DrawFn) -> bytes:
    """Bytes of any kind, or a feed with some of its bytes replaced, cut or doubled."""
    if draw(st.booleans()):
        signs = st.text("\"'<>{}[],;\t\r\n:a1&!", max_size=99).map(str.encode)
        return draw(st.binary(max_size=300) | signs)
    data = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 8)))
        data[begin:end] = draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"\n", b"<", b"]]>", b"{", b"\x00"])
        )
    return bytes(data)


@pytest.mark.parametrize("form", [None, *get_args(FeedFormat)])
@settings(max_examples=100, deadline=None)
@given(data=broken_feeds())
def test_any_bytes_are_read_or_refused_in_words(form: FeedFormat | None, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "feed"
        file.write_bytes(data)
        try:
            rows = list(read_feed(file, CatalogSettings(format=form)))
        except FeedUnreadable as error:
            rows, told = [], str(error)
            _is_one_line(told)
        for row in rows:
            assert row.line >= 1
            if not isinstance(row, FeedRow):
                _is_one_line(str(row))


def _is_one_line(text: str) -> None:
    assert "\n" not in text
    assert len(text) < 1000
