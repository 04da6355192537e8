"""Fonts that have the letters of a text: no title is drawn as boxes.

Pillow's own font where it has them: it has those of English. Else one of Noto's, or Heebo for
Hebrew, which come as Python packages, so that ads look the same on every machine. Pillow's wheels
shape Arabic, Thai and Devanagari by libraqm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import BinaryIO, cast

import regex
from PIL import ImageFont

from adloom.models.titles.languages import of_language

_FAMILIES = ("Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai", "Heebo")
"""These have Latin letters too, so that a brand's name stands in one font with the rest."""
_SCRIPTS = (
    "Armenian", "Bengali", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Kannada", "Khmer",
    "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Symbols",
)  # fmt: skip
_CJK_FACES = {0: r"[\p{Hiragana}\p{Katakana}]", 1: r"\p{Hangul}"}
_CHINESE = 2
_OF_LANGUAGES = {"ja": 0, "ko": 1, "zh-hant": 3, "zh-tw": 3, "zh-hk": 4, "zh-mo": 4}
"""Faces of Noto Sans CJK, which draws a Han character as Japan, Korea or China does."""
_NEVER_SEEN = regex.compile(r"[\s\p{Default_Ignorable_Code_Point}]")
_REGULAR, _BOLD = 400, 700
_PROBED_AT = 10  # pixels


@dataclass(frozen=True)
class Face:
    """A font file, None for Pillow's own, and which of its faces."""

    path: str | None
    index: int = 0


def font_for(text: str, pixels: float) -> ImageFont.FreeTypeFont:
    """The first font that has all letters of the text; where none has, that with most of them.

    Raises:
        RuntimeError: this Pillow cannot draw letters.
    """
    return font_of(face_for(text, ""), pixels)


def face_for(text: str, language: str, *, bold: bool = False) -> Face:
    """The face of :func:`font_for`; of a bold one Pillow's own is none.

    ``language`` tells how Han characters are drawn where the text does not.
    """
    letters = needed(text)
    best, most = Face(None), -1
    for face in faces(text, language, bold=bold):
        known = len(letters & letters_of(face))
        if known == len(letters):
            return face
        if known > most:
            best, most = face, known
    return best


def faces(text: str, language: str, *, bold: bool) -> Iterator[Face]:
    """All faces, the first choice first. Pillow's own is never bold, so that it is left out."""
    if not bold:
        yield Face(None)
    yield from _families()
    yield Face(_cjk(), _cjk_face(text, language))
    yield from _more()


@lru_cache(maxsize=256)
def font_of(face: Face, pixels: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A face in a size. Faces that have no weights are as they are: see :func:`has_weights`.

    It is made once: what hints its letters looks at all of the face first, which takes longer than
    a line does.
    """
    if face.path is not None:
        font = ImageFont.truetype(face.path, pixels, index=face.index)
        if weights := _weights(face):
            weight = _BOLD if bold else _REGULAR
            font.set_variation_by_axes([weight if kind else other for kind, other in weights])
        return font
    own = ImageFont.load_default(size=pixels)
    if not isinstance(own, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType: install one from PyPI")
    return own


def has_weights(face: Face) -> bool:
    """Whether a face can be bold by itself."""
    return bool(_weights(face))


@lru_cache(maxsize=4096)
def draws_bold(face: Face, text: str) -> bool:
    """Whether a text can be drawn in a face's bold weight.

    ﷽ is then too intricate for FreeType ("raster overflow"), whatever its size.
    """
    try:
        font_of(face, _PROBED_AT, bold=True).getmask(text)
    except OSError:
        return False
    return True


def needed(text: str) -> frozenset[int]:
    """Code points of a text that a font must have a glyph for."""
    return frozenset(ord(letter) for letter in _NEVER_SEEN.sub("", text))


@cache
def letters_of(face: Face) -> frozenset[int]:
    """Code points that a face has a glyph for."""
    from fontTools.ttLib import TTFont

    source = face.path or cast(BinaryIO, font_of(face, 10).path)  # Pillow's is in its module
    with TTFont(source, fontNumber=face.index, lazy=True) as opened:
        return frozenset(opened.getBestCmap())


@cache
def _weights(face: Face) -> tuple[tuple[bool, float], ...]:
    """Axes of a variable font: whether each is its weight, and its default; none of another."""
    if face.path is None:
        return ()
    try:
        axes = ImageFont.truetype(face.path, 10, index=face.index).get_variation_axes()
    except OSError:
        return ()
    return tuple((axis["name"] == b"Weight", float(axis["default"] or 0)) for axis in axes)


def _cjk_face(text: str, language: str) -> int:
    found = (face for face, script in _CJK_FACES.items() if regex.search(script, text))
    return next(found, of_language(_OF_LANGUAGES, language, _CHINESE))


@cache
def _families() -> tuple[Face, ...]:
    import fontpkg

    return tuple(Face(str(fontpkg.path(family))) for family in _FAMILIES)


@cache
def _cjk() -> str:
    from noto_cjk_sans_otc import FONT_PATH

    return str(FONT_PATH)


@cache
def _more() -> tuple[Face, ...]:
    """Of scripts that have a font for themselves alone; emoji, in one colour, come last."""
    folder = files("manimgx_fonts")
    names = [*(f"NotoSans{script}" for script in _SCRIPTS), "NotoEmoji"]
    return tuple(Face(str(folder / f"{name}[wght].ttf")) for name in names)
