"""The shop's feed: its own CSV, and the first products in the forms of other shops."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from tests.shops.maker.assortment import Article
from tests.shops.maker.tables import BadRow, Expected, write_table

_GOOGLE = "http://base.google.com/ns/1.0"


def own_feed(articles: Sequence[Article]) -> tuple[str, list[Expected]]:
    """The CSV of the whole assortment in the shop's words, bad rows last."""
    rows = [_own_row(article) for article in articles]
    return write_table(rows, _bad_rows(rows), id_column="Artikelnummer", separator=";")


def _own_row(article: Article) -> dict[str, str]:
    # Some programs of shops put selling points one a line, others put a stroke between them.
    between = "\n" if article.id == "K-1014" else " | "
    return {
        "Artikelnummer": article.id,
        "Bezeichnung": article.name,
        "Kurzname": article.short,
        "Beschreibung": article.text,
        "Warengruppe": article.shelf,
        "Preis": article.price,
        "Angebotspreis": article.sale,
        "Verfügbarkeit": article.availability,
        "Bild": f"pictures/{article.picture}",
        "Marke": article.brand,
        "Vorteile": between.join(article.points),
        "Sprache": article.language,
        "Link": article.link,
    }


def _bad_rows(rows: Sequence[dict[str, str]]) -> list[BadRow]:
    good = rows[0]

    def row(number: int, **changes: str) -> dict[str, str]:
        own = {"Artikelnummer": f"X-{number}", "Bezeichnung": f"Restposten {number}"}
        return {**good, **own, **changes}

    return [
        BadRow(row(1, Artikelnummer=""), "id"),
        BadRow(row(2, Artikelnummer=good["Artikelnummer"]), "id"),
        BadRow(row(3, Preis="auf Anfrage"), "price"),
        BadRow(row(4, Preis="-5,00 EUR"), "price"),
        BadRow(row(5, Verfügbarkeit="vielleicht"), "availability"),
        BadRow(row(6, Bezeichnung=""), "title"),
        BadRow(row(7, Link="javascript:alert(1)"), "link"),
        BadRow(row(8, Bild="pictures/gibt-es-nicht.jpg"), "picture"),
        BadRow(row(9, Bild="pictures/kaputt.jpg"), "picture"),
        BadRow(row(10, Bild="../../../pyproject.toml"), "image_link"),
    ]


def google_attributes(article: Article) -> dict[str, str | list[str]]:
    """A product by the names of Google's product feed; attributes without a value are left out."""
    found: dict[str, str | list[str]] = {
        "id": article.id,
        "title": article.name,
        "short_title": article.short,
        "description": article.text,
        "link": article.link,
        "image_link": f"pictures/{article.picture}",
        "availability": article.availability.replace(" ", "_"),
        "price": google_price(article.price),
        "sale_price": google_price(article.sale),
        "brand": article.brand,
        "product_type": article.shelf,
        "product_highlight": list(article.points),
        "content_language": article.language,
    }
    return {name: value for name, value in found.items() if value}


def google_price(price: str) -> str:
    """``1.299,00 EUR`` as ``1299.00 EUR``; "" stays."""
    return price.replace(".", "").replace(",", ".").replace("€", "EUR")


def rss_feed(articles: Sequence[Article]) -> bytes:
    """RSS 2.0 with Google's namespace; selling points are repeated tags."""
    ElementTree.register_namespace("g", _GOOGLE)
    rss = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(rss, "channel")
    ElementTree.SubElement(channel, "title").text = "Haushalt Lindner"
    ElementTree.SubElement(channel, "link").text = "https://haushalt-lindner.example"
    for article in articles:
        item = ElementTree.SubElement(channel, "item")
        for name, value in google_attributes(article).items():
            for each in value if isinstance(value, list) else [value]:
                ElementTree.SubElement(item, f"{{{_GOOGLE}}}{name}").text = each
    ElementTree.indent(rss)
    return bytes(ElementTree.tostring(rss, encoding="utf-8", xml_declaration=True)) + b"\n"


def json_feed(articles: Sequence[Article]) -> str:
    """A JSON object a line; selling points are a list."""
    lines = [json.dumps(google_attributes(each), ensure_ascii=False) for each in articles]
    return "\n".join(lines) + "\n"


def parquet_feed(articles: Sequence[Article]) -> bytes:
    """A row a product, null where there is no value; selling points are a list."""
    rows = [google_attributes(article) for article in articles]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
