"""Products as rows of the database, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from adloom.loop.catalogue.product import Pictures, Price, Product
from adloom.models.placement import Placement


@dataclass(frozen=True)
class Entry:
    """A product as the catalogue keeps it.

    Attributes:
        product: what is known of it.
        stamp: hash of all that the shop told.
        picture_stamp: which picture the shop had then.
        no_cutout: why there is no cutout; "" where there is one.
        source: the feed that told of it.
        hint: what to look at in its cutout; it is told at import and not kept.
    """

    product: Product
    stamp: str
    picture_stamp: str = ""
    no_cutout: str = ""
    source: str = ""
    hint: str = ""


def as_told(product: Product) -> dict[str, Any]:
    """What the shop tells of a product beside what has a column of its own; JSON can hold it."""
    told: dict[str, Any] = {
        "selling_points": list(product.selling_points),
        "short_name": product.short_name,
        "description": product.description,
        "availability": product.availability,
        "link": product.link,
        "brand": product.brand,
        "image": product.image,
    }
    for name in ("price", "sale_price"):
        price: Price | None = getattr(product, name)
        told[name] = price and [str(price.amount), price.currency]
    return {name: value for name, value in told.items() if value}


def _placed(product: Product) -> dict[str, Any]:
    """Where it lies on its ads. Not told by the shop, but made with its pictures."""
    return {} if product.placement is None else {"placement": asdict(product.placement)}


def from_row(row: Row[Any], pictures: Pictures) -> Entry:
    """The entry that `to_row` wrote."""
    product = Product(
        product_id=row.product_id,
        name=row.name,
        category=row.category,
        language=row.language,
        picture_name=row.picture_name,
        cutout_name=row.cutout_name,
        updated=row.updated,
        retired=row.retired,
        pictures=pictures,
        **_told(json.loads(row.told)),
    )
    return Entry(product, row.stamp, row.picture_stamp, row.no_cutout, row.source)


def _told(told: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(told)
    fields["selling_points"] = tuple(told.get("selling_points", ()))
    for name in ("price", "sale_price"):
        if name in told:
            amount, currency = told[name]
            fields[name] = Price(Decimal(amount), currency)
    if "placement" in told:
        fields["placement"] = Placement(**told["placement"])
    return fields


def to_row(entry: Entry, now: datetime, revision: int) -> dict[str, Any]:
    """The row of an entry that an import of this moment and revision writes."""
    product = replace(entry.product, updated=now)
    return {
        "product_id": product.product_id,
        "told": json.dumps(as_told(product) | _placed(product), ensure_ascii=False),
        "stamp": entry.stamp,
        "picture_stamp": entry.picture_stamp,
        "name": product.name,
        "category": product.category,
        "searched": searched(product.product_id, product.name, product.category),
        "language": product.language,
        "picture_name": product.picture_name,
        "cutout_name": product.cutout_name,
        "no_cutout": entry.no_cutout,
        "source": entry.source,
        "retired": product.retired,
        "updated": now,
        "revision": revision,
    }


def searched(product_id: str, name: str, category: str) -> str:
    """What a search looks into. SQLite's own small letters are those of English alone."""
    return f"{product_id}\n{name}\n{category}".lower()


def as_attributes(entry: Entry) -> dict[str, Any]:
    """What the catalogue has of a product, by the names of Google's product feed; for JSON."""
    product = entry.product
    told: dict[str, Any] = {
        "id": product.product_id,
        "title": product.name,
        "short_title": product.short_name,
        "description": product.description,
        "product_type": product.category,
        "product_highlight": list(product.selling_points),
        "language": product.language,
        "price": product.price and str(product.price),
        "sale_price": product.sale_price and str(product.sale_price),
        "availability": product.availability,
        "link": product.link,
        "brand": product.brand,
        "image_link": product.image,
        "no_cutout": entry.no_cutout,
        "source": entry.source,
        "updated": product.updated and product.updated.isoformat(),
        "retired": product.retired,
    }
    return {name: value for name, value in told.items() if value not in ("", None, [])}
