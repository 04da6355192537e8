"""Settings of the catalogue: where products come from, and what pictures are taken."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from adloom.loop.settings.section import Section

FeedFormat = Literal["csv", "tsv", "jsonl", "xml", "parquet"]


def _language(text: str) -> str:
    parts = text.split("-")
    if not (2 <= len(parts[0]) <= 3 and all(part.isalnum() and part.isascii() for part in parts)):
        raise ValueError("not a language tag, such as de or pt-BR")
    return text


Language = Annotated[str, AfterValidator(_language)]


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError("no encoding of texts that is known here, such as utf-8") from error
    return name


Encoding = Annotated[str, AfterValidator(_encoding)]


_HOST = re.compile(r"(\*\.)?[\w.-]+(:\d{1,5})?")


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise ValueError("not a host, such as cdn.shop.example, or *.shop.example for all under it")
    return name


Host = Annotated[str, AfterValidator(_host)]


class CatalogSettings(Section):
    """`[catalog]`: the feed, and how it is read."""

    source: str | None = Field(
        default=None,
        min_length=1,
        description="feed of the shop: a file, a folder of feeds, or an https address; none = "
        "products come by adloom catalog import, POST /v1/products or the topic alone",
    )
    format: FeedFormat | None = Field(default=None, description="none = by the name of the file")
    encoding: Encoding | None = Field(
        default=None,
        description="of text feeds, such as cp1252 or shift_jis; none = by the file's mark, else "
        "UTF-8, else what is safely found",
    )
    columns: dict[str, str] = Field(
        default={},
        description="where the feed has other names: attribute of Google's product feed = name "
        "in the feed, such as title = 'Bezeichnung'",
    )
    refresh_seconds: float = Field(
        default=60.0, gt=0, description="how often servers look for changes and read the source"
    )
    topic: bool = Field(
        default=True, description="whether servers follow the topic of products (kafka.topics)"
    )
    missing: Literal["keep", "retire"] = Field(
        default="keep", description="what becomes of products that the feed has no more"
    )
    language: Language = Field(default="en", description="of products that tell none")
    hosts: tuple[Host, ...] = Field(
        default=(),
        description="pictures and feeds are fetched from these hosts alone ('*.shop.example' for "
        "all under it), over https, and never from private addresses",
    )
    cutout: Literal["plain", "rembg", "off"] = Field(
        default="plain",
        description="pictures without transparency: plain = cut out from a plain ground; rembg = "
        "by a model (pip install 'adloom[cutout]'); off = never",
    )
    text_encoder: str | None = Field(
        default=None,
        min_length=1,
        description="sentence-transformers folder, or a name on the hub, that tells which products "
        "are alike; none = MiniLM for English; after a change: adloom catalog embed",
    )
    placement: Literal["ground", "photo"] = Field(
        default="ground",
        description="where products lie on their ads: ground = standing in the middle; photo = "
        "where their photo has them; known products follow at the next adloom catalog import",
    )
    max_picture_bytes: int = Field(default=20 << 20, ge=1024)
    max_picture_pixels: int = Field(default=40_000_000, ge=4096, description="width times height")


class CreativesSettings(Section):
    """`[creatives]`: files of the shop's own ads; `[catalog]` tells which pictures are taken."""

    format: FeedFormat | None = Field(default=None, description="none = by the name of the file")
    encoding: Encoding | None = Field(
        default=None,
        description="of text files, such as cp1252 or shift_jis; none = by the file's mark, else "
        "UTF-8, else what is safely found",
    )
    columns: dict[str, str] = Field(
        default={},
        description="where the file has other names: ad_id, product_id, title, picture, "
        "background or created = name in the file, such as title = 'Titel'",
    )
