"""From attributes to a product; the feed, the topic and the API read products by this alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from adloom.loop.catalogue.feeds.highlights import highlights
from adloom.loop.catalogue.feeds.prices import parse_price
from adloom.loop.catalogue.feeds.refusals import RowRefused, shown
from adloom.loop.catalogue.feeds.row_values import RowValues, Warn, as_text, refuse_large
from adloom.loop.catalogue.feeds.texts import description_text, title_text
from adloom.loop.catalogue.feeds.values import (
    availability,
    holds_now,
    language_tag,
    link,
    picture_link,
    shelf_path,
)
from adloom.loop.catalogue.product import Price, Product
from adloom.models.titles.scripts import can_be_seen

_MAX_CHARS = {"id": 128, "title": 300, "short_title": 150, "brand": 150, "product_type": 750}
_MOST_SHELF_BYTES = 2_000  # with an id Postgres' indexes take 2,704
_MAX_HIGHLIGHTS = 10
_LEAST_LISTED = 3
_COMMA = re.compile(r"(?<!\d)[,、،]|[,、،](?!\d)")
_HIGHLIGHT_CHARS = range(2, 61)


def parse_product(
    fields: Mapping[str, object],
    language: str,
    *,
    now: datetime | None = None,
    warn: Warn = lambda warning: None,
) -> Product:
    """The product that the attributes tell of.

    Args:
        fields: by the names of `product_attributes`; values are texts, numbers, or lists of
            them where an attribute is repeated. Other names are passed over.
        language: of products that tell none.
        now: the moment that decides whether a sale price holds, aware; none = this moment.
        warn: told of each part that is left out, in one line.

    Raises RowRefused.
    """
    refuse_large(fields)
    row = RowValues(fields, _MAX_CHARS, warn)
    title = row.needed("title")
    if not can_be_seen(title):
        raise RowRefused(f"title: {shown(title)} has no character that can be seen")
    tag = language_tag(told) if (told := row.text("content_language")) else language
    description = description_text(row.text("description"), "description")
    price, sale_price = _prices(row, now or datetime.now(UTC))
    return Product(
        product_id=row.name("id"),
        name=title,
        short_name=row.optional("short_title"),
        description=description,
        category=_category(row),
        selling_points=_selling_points(row) or highlights(description, tag, title),
        language=tag,
        price=price,
        sale_price=sale_price,
        availability=availability(row.text("availability") or "in_stock"),
        link=link(row.text("link"), "link"),
        brand=row.optional("brand"),
        image=picture_link(row.text("image_link"), "image_link"),
    )


def _category(row: RowValues) -> str:
    """The shop's own shelves, else Google's; its bare numbers name no shelf."""
    own = shelf_path(row.optional("product_type"))
    if len(own.encode()) > _MOST_SHELF_BYTES:
        row.warn(f"product_type: longer than {_MOST_SHELF_BYTES:,} bytes, left out")
        own = ""
    if own:
        return own
    google = shelf_path(title_text(row.text("google_product_category"), "google_product_category"))
    google = google[: _MAX_CHARS["product_type"]]
    return "" if google.isdigit() or len(google.encode()) > _MOST_SHELF_BYTES else google


def _prices(row: RowValues, now: datetime) -> tuple[Price | None, Price | None]:
    """The price, and the sale price where one holds now and saves something."""
    currency = row.text("currency").strip()
    told, told_sale = row.first("price"), row.first("sale_price")
    price = None if told is None else parse_price(told, "price", currency)
    if told_sale is None:
        return price, None
    known = price.currency if price else currency
    sale_price = parse_price(told_sale, "sale_price", currency or known)
    if price is None:
        row.warn("sale_price: left out, for there is no price")
        return None, None
    if sale_price.currency != price.currency:
        raise RowRefused(f"sale_price: is in {sale_price.currency}, the price in {price.currency}")
    if sale_price.amount >= price.amount:
        row.warn(f"sale_price: left out, for {sale_price} is not below the price {price}")
        return price, None
    return price, sale_price if _sale_is_on(row, now) else None


def _sale_is_on(row: RowValues, now: datetime) -> bool:
    interval = row.text("sale_price_effective_date").strip()
    if not interval:
        return True
    try:
        return holds_now(interval, now)
    except ValueError:
        row.warn(
            f"sale_price: left out, for sale_price_effective_date {shown(interval)} is not two "
            "moments such as 2026-02-24T00:00Z/2026-03-03T23:59Z"
        )
        return False


def _selling_points(row: RowValues) -> tuple[str, ...]:
    """The highlights told, each once, in order."""
    attribute = "product_highlight"
    told = [as_text(value, attribute) for value in row.values(attribute)]
    parts = _split_highlights(told[0]) if told and not row.is_list(attribute) else told
    points: dict[str, str] = {}
    for part in parts:
        point = title_text(part, "product_highlight")
        if not point:
            continue
        if len(point) not in _HIGHLIGHT_CHARS:
            row.warn(f"product_highlight: {shown(point)} has not 2 to 60 characters, left out")
        else:
            points.setdefault(point.casefold(), point)
    if len(points) > _MAX_HIGHLIGHTS:
        row.warn(f"product_highlight: more than {_MAX_HIGHLIGHTS}, the rest left out")
    return tuple(points.values())[:_MAX_HIGHLIGHTS]


def _split_highlights(text: str) -> list[str]:
    """Parts of one text: by line, else by ``|``, else by ``;``, else by comma as Google does.

    One comma alone may be that of a phrase, so two are a list; one within quotes or within a
    number parts nothing.
    """
    lines = text.splitlines()
    if len(lines) > 1:
        return lines
    for separator in "|;":
        if separator in text:
            return text.split(separator)
    if text.strip().startswith('"') or ',"' in text.replace(", ", ","):
        return next(csv.reader([text.strip()], skipinitialspace=True), [])
    parts = _COMMA.split(text)
    return parts if len(parts) >= _LEAST_LISTED else [text]
