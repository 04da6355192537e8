"""The contact sheet of an evaluation: rows shoppers, columns history, product and every arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.lettering import font_for
from adloom.loop.settings.private import as_the_user_shares
from adloom.models.compose import on_white, show_whole

_CARD, _GAP, _PAD, _HEAD = 220, 10, 28, 44
_GROUND, _INK, _SOFT = "#f1efea", "#1b1c1f", "#6a6c73"
WORDS = {
    "history": "clicked ads",
    "full": "full method",
    "no_fine": "no fine stage",
    "random_history": "random history",
    "other_shopper": "another's history",
    "no_history": "no history",
    "rendered": "rendered anew",
}
"""What columns are called; others by their own names."""
_SHOWN = 9
_SIDE = 3


@dataclass(frozen=True)
class SheetRow:
    """A shopper's row: clicked ads (RGB, of any shape, as they are read), the product's cutout
    (RGBA, cropped) and picture and title of each arm."""

    name: str
    history: tuple[Image.Image, ...]
    cutout: Image.Image
    ads: Mapping[str, tuple[Image.Image, str]]


def save_contact_sheet(rows: Sequence[SheetRow], path: Path) -> None:
    """Write the rows, which have the same arms, as one PNG; its folder is made.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one shopper")
    bands = [_band(row) for row in rows]
    names = ["history", "product", *rows[0].ads]
    width = bands[0].width + 2 * _PAD
    height = _HEAD + sum(band.height + _PAD for band in bands) + _PAD
    sheet = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        at = (_PAD + column * (_CARD + _GAP), _PAD // 2)
        told = WORDS.get(name, name.replace("_", " "))
        draw.text(at, told, font=font_for(told, 20), fill=_INK)
    top = _HEAD
    for band in bands:
        sheet.paste(band, (_PAD, top))
        top += band.height + _PAD
    with as_the_user_shares():
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, format="PNG", optimize=True)


def _band(row: SheetRow) -> Image.Image:
    product = on_white(row.cutout, _CARD)
    cards = [
        finish_ad(show_whole(picture, size=_CARD), title) for picture, title in row.ads.values()
    ]
    cells = [_mosaic(row.history), product, *cards]
    label = 22
    height = label + max(cell.height for cell in cells)
    band = Image.new("RGB", (len(cells) * (_CARD + _GAP) - _GAP, height), _GROUND)
    ImageDraw.Draw(band).text((0, 0), row.name, font=font_for(row.name, 14), fill=_SOFT)
    for column, cell in enumerate(cells):
        band.paste(cell, (column * (_CARD + _GAP), label))
    return band


def _mosaic(pictures: Sequence[Image.Image]) -> Image.Image:
    """The first pictures, three a row."""
    tile = (_CARD - (_SIDE - 1) * 4) // _SIDE
    mosaic = Image.new("RGB", (_CARD, _CARD), _GROUND)
    for number, picture in enumerate(pictures[:_SHOWN]):
        row, column = divmod(number, _SIDE)
        small = show_whole(picture, size=tile)
        mosaic.paste(small, (column * (tile + 4), row * (tile + 4)))
    return mosaic
