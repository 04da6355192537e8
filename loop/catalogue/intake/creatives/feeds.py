"""From a file of the shop's own ads to rows: an ad id, a product, a title, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from adloom.loop.catalogue.feeds.attributes import Attributes
from adloom.loop.catalogue.feeds.columns import Columns
from adloom.loop.catalogue.feeds.files import format_by_name
from adloom.loop.catalogue.feeds.reading import raw_rows
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable, RowRefused
from adloom.loop.catalogue.feeds.row_values import RowValues, refuse_large
from adloom.loop.catalogue.feeds.rows import RawRow
from adloom.loop.catalogue.feeds.values import picture_link
from adloom.loop.settings.catalogue import CatalogSettings, CreativesSettings
from adloom.stream.moments import NoMoment, moment

CREATIVE = Attributes(
    section="creatives",
    told={
        "ad_id": "the ad's name in events, 1 to 128 characters",
        "product_id": "the product that it advertises, as the catalogue calls it",
        "title": "the text shown, 1 to 300 characters",
        "picture": "the picture shown: an https address, or a path that lies beside the file",
        "background": "the same picture without its product, where the shop has it",
        "created": "when it was made: ISO 8601 (UTC where no zone is told), or a number since 1970",
    },
    needed=("ad_id", "product_id", "title", "picture"),
    other_names={
        "ad": "ad_id",
        "creative": "ad_id",
        "creativeid": "ad_id",
        "product": "product_id",
        "item": "product_id",
        "itemid": "product_id",
        "headline": "title",
        "image": "picture",
        "imagelink": "picture",
        "createdat": "created",
    },
)
_MAX_CHARS = {"ad_id": 128, "product_id": 128, "title": 300}

Picture = str | Image.Image
"""A path or an https address, or the picture itself."""


@dataclass(frozen=True)
class CreativeRow:
    """One of the shop's own ads, before anybody looked at its picture.

    Attributes:
        ad_id: its name in events.
        product_id: the product that it advertises.
        title: the text shown.
        picture: what is shown with it.
        background: the same picture without its product; "" where the shop has none.
        created: when it was made, aware; None = when it is taken in.
        source: name of the file; "" for a row that was made in a program.
        line: where the row begins, from 1: line of a text file, row of a Parquet file.
    """

    ad_id: str
    product_id: str
    title: str
    picture: Picture
    background: Picture = ""
    created: datetime | None = None
    source: str = ""
    line: int = 0


@dataclass(frozen=True)
class RefusedCreative:
    """A row that is not taken; ``ad_id`` is "" where it gives none."""

    source: str
    line: int
    ad_id: str
    reason: str

    def __str__(self) -> str:
        who = f" ({self.ad_id})" if self.ad_id else ""
        return f"{self.source}:{self.line}{who}: {self.reason}"


def read_creatives(
    file: Path, settings: CreativesSettings, catalog: CatalogSettings
) -> Iterator[CreativeRow | RefusedCreative]:
    """The rows of a CSV, TSV, JSON-lines or Parquet file, in order, as they are asked for.

    Raises FeedUnreadable, at any row: the file is missing, empty, broken, or has not the names
    that the settings tell.
    """
    if not file.is_file():
        raise FeedUnreadable(f"{file}: there is no such file")
    if (settings.format or format_by_name(file)) == "xml":
        raise FeedUnreadable(f"{file}: is XML; ads come as CSV, TSV, JSON lines or Parquet")
    how = catalog.model_copy(update={"format": settings.format, "encoding": settings.encoding})
    nothing = True
    try:
        for raw in raw_rows(file, Columns(settings.columns, CREATIVE), how):
            nothing = False
            yield _row(raw, file.name)
    except FeedUnreadable as error:
        raise FeedUnreadable(f"{file}: {error}") from error
    if nothing:
        raise FeedUnreadable(f"{file}: has no ads")


def _row(raw: RawRow, source: str) -> CreativeRow | RefusedCreative:
    try:
        if raw.reason:
            raise RowRefused(raw.reason)
        return _creative(raw.fields, source, raw.line)
    except RowRefused as error:
        told = raw.fields.get("ad_id")
        ad_id = str(told).strip()[:128] if isinstance(told, str | int) else ""
        return RefusedCreative(source, raw.line, ad_id, str(error))


def _creative(fields: Mapping[str, object], source: str, line: int) -> CreativeRow:
    refuse_large(fields)
    row = RowValues(fields, _MAX_CHARS)
    ad_id, product_id, title = row.name("ad_id"), row.name("product_id"), row.needed("title")
    picture = picture_link(row.text("picture"), "picture")
    if not picture:
        raise RowRefused("picture: is missing or empty")
    return CreativeRow(
        ad_id=ad_id,
        product_id=product_id,
        title=title,
        picture=picture,
        background=picture_link(row.text("background"), "background"),
        created=_moment(row.first("created")),
        source=source,
        line=line,
    )


def _moment(told: object) -> datetime | None:
    if told is None or (isinstance(told, str) and not told.strip()):
        return None
    try:
        return moment(told, zone=UTC)
    except NoMoment as error:
        raise RowRefused(f"created: {error}") from error
