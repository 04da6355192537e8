"""One picture of a run: shoppers' clicked ads, and the ad that was drawn after them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from adloom.loop.demo.report.page import AdStory
from adloom.models.compose import show_whole

_TILE, _CARD, _GAP, _PAD = 118, 300, 8, 26
_GROUND, _PANEL, _INK, _SOFT = "#f1efea", "#ffffff", "#1b1c1f", "#6a6c73"
_SHOWN = 4
_COLUMNS = 2


def save_showcase(stories: Sequence[AdStory], path: Path, *, most: int = 6) -> None:
    """Write a PNG with up to ``most`` stories, two a row; nothing where there are none."""
    chosen = [story for story in stories if len(story.history) >= _SHOWN][:most]
    if not chosen:
        return
    panels = [_panel(story) for story in chosen]
    width, height = panels[0].size
    rows = -(-len(panels) // _COLUMNS)
    columns = min(_COLUMNS, len(panels))
    size = (columns * width + (columns + 1) * _PAD, rows * height + (rows + 1) * _PAD)
    sheet = Image.new("RGB", size, _GROUND)
    for number, panel in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        at = (_PAD + column * (width + _PAD), _PAD + row * (height + _PAD))
        sheet.paste(panel, at, _rounded(panel.size, 18))
    sheet.save(path, optimize=True)


def _panel(story: AdStory) -> Image.Image:
    card_height = round(_CARD * story.card.height / story.card.width)
    left = 2 * _TILE + _GAP
    panel = Image.new("RGB", (left + _CARD + 4 * _PAD, card_height + 2 * _PAD), _PANEL)
    draw = ImageDraw.Draw(panel)
    top = _PAD + (card_height - 2 * _TILE - _GAP - 52) // 2
    draw.text((_PAD, top), "Clicked before", font=_font(19), fill=_INK, stroke_width=0.3)
    draw.text((_PAD, top + 26), story.user_id, font=_font(14), fill=_SOFT)
    for number, past in enumerate(story.history[:_SHOWN]):
        row, column = divmod(number, 2)
        tile = show_whole(past.picture, size=_TILE)
        at = (_PAD + column * (_TILE + _GAP), top + 52 + row * (_TILE + _GAP))
        panel.paste(tile, at, _rounded(tile.size, 10))
    middle = top + 52 + _TILE + _GAP // 2
    _arrow(draw, _PAD + left + _PAD // 2, middle)
    card = story.card.convert("RGB").resize((_CARD, card_height), Image.Resampling.LANCZOS)
    panel.paste(card, (left + 3 * _PAD, _PAD), _rounded(card.size, 14))
    return panel


def _arrow(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    draw.line([(x, y), (x + 24, y)], fill=_SOFT, width=3)
    draw.line([(x + 15, y - 8), (x + 24, y), (x + 15, y + 8)], fill=_SOFT, width=3, joint="curve")


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask with round corners, drawn large and shrunk so that its edge is smooth."""
    large = Image.new("L", (size[0] * 3, size[1] * 3), 0)
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius * 3, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=pixels)
