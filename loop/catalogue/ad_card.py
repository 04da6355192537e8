"""The finished creative: the ad's picture with its title on a banner that suits it."""

from __future__ import annotations

import colorsys
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adloom.loop.catalogue.lettering import font_for

_BANNER = 0.25  # height of the banner as a share of the picture's side
_MARGIN = 0.05
_SIZES = ((0.10, 2), (0.092, 2), (0.085, 2), (0.078, 3), (0.07, 3))
"""Title sizes to try, as shares of the room's width, with the lines each may take."""


def finish_ad(picture: Image.Image, title: str, *, call: str = "") -> Image.Image:
    """Puts the title under the picture, on a banner in the picture's own colour.

    Args:
        picture: the ad's picture, RGB, square.
        title: two lines, three where it is long; cut with an ellipsis beyond that.
        call: the words on the button; without any there is none.

    Returns:
        RGB, as wide as the picture and a quarter higher (4:5, a feed's portrait format).
    """
    size = picture.width
    banner = round(size * _BANNER)
    ground, accent = _banner_colours(picture)
    card = Image.new("RGB", (size, size + banner), ground)
    card.paste(picture.convert("RGB"), (0, 0))
    draw = ImageDraw.Draw(card)
    margin = round(size * _MARGIN)
    right = size - margin
    if call:
        right = _button(draw, call, accent, size, margin, size + banner // 2) - margin
    _write_title(draw, title, (margin, size, right, size + banner), ink=(255, 255, 255))
    return card


def _banner_colours(picture: Image.Image) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """A deep ground and a light accent in the hue that colours the picture most."""
    small = np.asarray(picture.convert("RGB").resize((24, 24)).convert("HSV"), dtype=np.float64)
    hue, colour = small[..., 0].ravel(), (small[..., 1] * small[..., 2]).ravel()
    bins = np.bincount((hue // 16).astype(int), weights=colour, minlength=16)
    chosen = hue // 16 == int(bins.argmax())
    main = float(np.average(hue[chosen], weights=colour[chosen] + 1e-6)) / 255
    vivid = min(1.0, float(colour.mean()) / (255 * 90))
    ground = colorsys.hsv_to_rgb(main, 0.35 + 0.30 * vivid, 0.24)
    accent = colorsys.hsv_to_rgb(main, 0.10 + 0.15 * vivid, 0.98)
    return _rgb(ground), _rgb(accent)


def _rgb(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


def _button(
    draw: ImageDraw.ImageDraw,
    words: str,
    colour: tuple[int, int, int],
    size: int,
    margin: int,
    middle: int,
) -> int:
    """Draws the button at the right and returns its left edge."""
    font = font_for(words, size * 0.036)
    width = round(draw.textlength(words, font=font)) + round(size * 0.06)
    height = round(size * 0.078)
    left = size - margin - width
    box = (left, middle - height // 2, left + width, middle + height // 2)
    draw.rounded_rectangle(box, radius=height // 2, fill=colour)
    centre = (left + width / 2, middle)
    draw.text(centre, words, font=font, fill=(24, 24, 28), anchor="mm", stroke_width=0.4)
    return left


def _write_title(
    draw: ImageDraw.ImageDraw,
    title: str,
    box: tuple[int, int, int, int],
    *,
    ink: tuple[int, int, int],
) -> None:
    """Writes the title in the largest of `_SIZES` that fits, cut where none does."""
    left, top, right, bottom = box
    words = " ".join(title.split()) or "…"
    width = right - left
    for share, most in _SIZES:
        font = font_for(words, width * share)
        lines = _wrapped(draw, words, font, width)
        if len(lines) <= most:
            break
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1].rstrip(" ,.:;!") + "…"]
    draw.multiline_text(
        (left, (top + bottom) / 2),
        "\n".join(lines),
        font=font,
        fill=ink,
        anchor="lm",
        spacing=font.size * 0.28,
        stroke_width=0.35,
    )


def _wrapped(
    draw: ImageDraw.ImageDraw, words: str, font: ImageFont.FreeTypeFont, width: int
) -> list[str]:
    """Lines of even length that are no wider than `width`, as few as possible."""
    for columns in range(len(words), 0, -1):
        lines = textwrap.wrap(words, columns, break_on_hyphens=False)
        if all(draw.textlength(line, font=font) <= width for line in lines):
            # Narrow further while no line is added: two even lines beat one full and one word.
            for narrower in range(columns - 1, 0, -1):
                evener = textwrap.wrap(words, narrower, break_on_hyphens=False)
                if len(evener) > len(lines):
                    break
                lines = evener
            return lines
    return [words]
