"""Values of single attributes: links, availability, language, shelves, moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from adloom.loop.catalogue.feeds.refusals import RowRefused, shown
from adloom.loop.catalogue.product import Availability
from adloom.loop.settings.catalogue import Language

_MAX_LINK_CHARS = 2000
_NOT_IN_LINKS = re.compile(r"[\x00-\x1f\x7f-\x9f\\<>\"]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_SCHEMA_ORG = re.compile(r"https?://(?:www\.)?schema\.org/", re.IGNORECASE)
_NO_LETTER = re.compile(r"[^a-z]")
_AVAILABILITY: dict[str, Availability] = {
    **{word.replace("_", ""): word for word in get_args(Availability)},
    "limitedavailability": "in_stock",
    "onlineonly": "in_stock",
    "true": "in_stock",
    "soldout": "out_of_stock",
    "discontinued": "out_of_stock",
    "false": "out_of_stock",
    "presale": "preorder",
}
_LANGUAGE: TypeAdapter[str] = TypeAdapter(Language)


def link(text: str, attribute: str) -> str:
    """An http(s) address or a path, blanks as %20. Raises RowRefused."""
    text = text.strip()
    if len(text) > _MAX_LINK_CHARS:
        raise RowRefused(f"{attribute}: is longer than {_MAX_LINK_CHARS} characters")
    if _NOT_IN_LINKS.search(text):
        raise RowRefused(f"{attribute}: {shown(text)} has characters that no link has")
    if text.startswith("//"):  # as web pages write it: by the page's own scheme
        text = f"https:{text}"
    if _SCHEME.match(text) and not _web_address(text):
        raise RowRefused(f"{attribute}: {shown(text)} is no http(s) address and no path")
    return text.replace(" ", "%20") if _SCHEME.match(text) else text


def picture_link(text: str, attribute: str) -> str:
    """An http(s) address, or a path under the feed's own folder. Raises RowRefused."""
    text = link(text, attribute)
    if not _SCHEME.match(text) and (text.startswith("/") or ".." in text.split("/")):
        raise RowRefused(
            f"{attribute}: {shown(text)} leads out of the feed's folder; write an http(s) address "
            "or a path under the folder"
        )
    return text


def _web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def availability(text: str) -> Availability:
    """Raises RowRefused for words that say nothing of it."""
    word = _NO_LETTER.sub("", _SCHEMA_ORG.sub("", text.strip()).lower())
    if word not in _AVAILABILITY:
        raise RowRefused(
            f"availability: {shown(text)} is none of in_stock, out_of_stock, preorder, backorder"
        )
    return _AVAILABILITY[word]


@lru_cache(maxsize=256)
def language_tag(text: str) -> str:
    """A language tag in its usual spelling: ``DE`` is ``de``, ``pt_br`` is ``pt-BR``.

    Raises RowRefused.
    """
    first, *more = text.strip().replace("_", "-").split("-")
    parts = [first.lower(), *(part.upper() if len(part) == 2 else part for part in more)]
    try:
        return _LANGUAGE.validate_python("-".join(parts))
    except ValidationError:
        raise RowRefused(
            f"content_language: {shown(text)} is no language tag, such as de or pt-BR"
        ) from None


def shelf_path(text: str) -> str:
    """A category with `` > `` between its shelves."""
    return " > ".join(shelf.strip() for shelf in text.split(">") if shelf.strip())


def holds_now(interval: str, now: datetime) -> bool:
    """Whether ``now`` lies within two ISO 8601 moments; without a zone they are UTC.

    Raises ValueError.
    """
    begin, _, end = interval.partition("/")
    return _moment(begin) <= now < _moment(end)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
