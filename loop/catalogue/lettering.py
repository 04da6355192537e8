"""Fonts that have the letters of a text: no title is drawn as boxes.

Pillow's own font where it has them: it has those of English. Else one of Noto's, which come as
Python packages, so that ads look the same on every machine. Pillow's wheels shape Arabic, Thai and
Devanagari by libraqm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, cast

import regex
from PIL import ImageFont

_FAMILIES = ("Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai")
_CJK_FACES = {0: r"[\p{Hiragana}\p{Katakana}]", 1: r"\p{Hangul}"}
_CHINESE = 2
"""Faces of Noto Sans CJK, which draws a Han character as Japan, Korea or China does."""


@dataclass(frozen=True)
class _Face:
    """A font file, None for Pillow's own, and which of its faces."""

    path: str | None
    index: int = 0


def font_for(text: str, pixels: float) -> ImageFont.FreeTypeFont:
    """The first font that has all letters of the text; where none has, that with most of them.

    Raises:
        RuntimeError: this Pillow cannot draw letters.
    """
    faces = [*_faces(), _Face(_cjk(), _cjk_face(text))]
    letters = {ord(letter) for letter in text if not letter.isspace()}
    return _font(max(faces, key=lambda face: len(letters & _letters(face))), pixels)


def _font(face: _Face, pixels: float) -> ImageFont.FreeTypeFont:
    if face.path is not None:
        return ImageFont.truetype(face.path, pixels, index=face.index)
    font = ImageFont.load_default(size=pixels)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType: install one from PyPI")
    return font


def _cjk_face(text: str) -> int:
    found = (face for face, script in _CJK_FACES.items() if regex.search(script, text))
    return next(found, _CHINESE)


@cache
def _faces() -> tuple[_Face, ...]:
    import fontpkg

    return _Face(None), *(_Face(str(fontpkg.path(family))) for family in _FAMILIES)


@cache
def _cjk() -> str:
    from noto_cjk_sans_otc import FONT_PATH

    return str(FONT_PATH)


@cache
def _letters(face: _Face) -> frozenset[int]:
    """Code points that a face has a glyph for."""
    from fontTools.ttLib import TTFont

    source = face.path or cast(BinaryIO, _font(face, 10).path)  # Pillow's is in its module
    with TTFont(source, fontNumber=face.index, lazy=True) as opened:
        return frozenset(opened.getBestCmap())
