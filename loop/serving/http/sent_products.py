"""Products as a request tells them: attributes as JSON, the picture's file in base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from adloom.loop.catalogue.feeds.attributes import PRODUCT
from adloom.loop.catalogue.feeds.columns import Columns, Fields
from adloom.loop.catalogue.feeds.jsonlines import fields_of
from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.refusals import FeedRow, Refusal, RowRefused, shown
from adloom.loop.catalogue.feeds.row_values import Warn

_SHOWN_NAMES = 5


def read_sent(
    products: Sequence[Mapping[str, Any]], source: str, language: str
) -> tuple[list[FeedRow | Refusal], dict[str, bytes]]:
    """A row for each product, and the pictures that came with them by product id.

    Args:
        products: by the names of Google's product feed; ``image`` is the picture in base64.
        source: name of it all.
        language: of products that tell none.

    Returns:
        rows in order, the line of each its place from 0.
    """
    rows: list[FeedRow | Refusal] = []
    pictures: dict[str, bytes] = {}
    seen: set[str] = set()
    for index, fields in enumerate(products):
        warnings: list[str] = []
        try:
            _refuse_no_text(fields)
            told = _told(fields, warnings.append)
            product = parse_product(told, language, warn=warnings.append)
            if product.product_id in seen:
                raise RowRefused("id: is in the request twice")
            picture = _picture(fields.get("image"))
        except RowRefused as error:
            rows.append(Refusal(source, index, str(error), _id(fields)))
            continue
        seen.add(product.product_id)
        if picture is not None:
            pictures[product.product_id] = picture
        rows.append(FeedRow(source, index, product, tuple(warnings)))
    return rows, pictures


def _told(fields: Mapping[str, Any], warn: Warn) -> Fields:
    """Values by attribute, in whatever spelling a feed may have."""
    unread = [n for n in fields if n != "image" and PRODUCT.named(n) is None]
    if unread:
        more = ", ..." if len(unread) > _SHOWN_NAMES else ""
        names = ", ".join(shown(name) for name in unread[:_SHOWN_NAMES])
        warn(f"{names}{more}: passed over, adloom reads no such attribute")
    return fields_of({n: value for n, value in fields.items() if n != "image"}, Columns({}))


def _refuse_no_text(fields: Mapping[str, Any]) -> None:
    """JSON can hold halves of characters. Raises RowRefused."""
    for name, value in fields.items():
        try:
            json.dumps([name, value], ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise RowRefused(f"{shown(name)}: holds half a character") from error


def _picture(image: object) -> bytes | None:
    """The file that was sent; None where there is none. Raises RowRefused."""
    if image is None:
        return None
    if not isinstance(image, str):
        raise RowRefused("image: not text (base64)")
    try:
        content = base64.b64decode("".join(image.split()), validate=True)
    except ValueError as error:
        raise RowRefused("image: not base64") from error
    if not content:
        raise RowRefused("image: is empty")
    return content


def _id(fields: Mapping[str, Any]) -> str:
    """As the answer can say it, whatever was sent."""
    return str(fields.get("id") or "").encode(errors="replace").decode()[:128]
