"""Where a line of a title may end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import regex
from pyphen import Pyphen, language_fallback
from uniseg.linebreak import line_break_units

from adloom.loop.catalogue.words.segmenting import segmenter
from adloom.models.titles.languages import fallbacks

_LEAST_LETTERS = 3  # of a word on each side of a hyphen
_HANGUL = regex.compile(r"\p{Hangul}")
_WORDS = regex.compile(r"\s*\S+\s*")
_ALONE = regex.compile(r"\p{P}*[\p{Han}\p{Hiragana}\p{Katakana}]\p{P}*")
_UNSPACED = {
    "th": regex.compile(r"\p{Thai}"),
    "ja": regex.compile(r"[\p{Hiragana}\p{Katakana}]"),
    "zh": regex.compile(r"\p{Han}"),
}
"""Scripts, by a language that is written in each: a title may be in another than its product's."""


def pieces(text: str, language: str) -> list[str]:
    """``text`` in parts that a line may end after; each keeps the spaces that follow it.

    By Unicode's line breaking algorithm (UAX 14). Korean is parted at its spaces alone, Thai also
    between words, and Chinese and Japanese between words only where the algorithm would do so
    too, and not beside one character alone. Together the parts are the text.
    """
    if _HANGUL.search(text):
        return [str(word) for word in _WORDS.findall(text)]
    units = _units(text)
    script = next((tag for tag, letters in _UNSPACED.items() if letters.search(text)), None)
    parser = (segmenter(language) or segmenter(script)) if script else None
    if parser is None:
        return list(units)
    if script == "th":
        return [word for unit in units for word in _with_spaces(parser.parse(unit))]
    words = set(_ends(parser.parse(text)))
    ends = [end for end in _ends(units) if end in words or text[end - 1].isspace()]
    return _none_alone([text[start:end] for start, end in pairwise([0, *ends])])


def syllables(word: str, language: str) -> list[str]:
    """A word in parts that a hyphen may stand after; in one where nobody knows them."""
    known = (language_fallback(tag.replace("-", "_")) for tag in fallbacks(language))
    tag = next((tag for tag in known if tag), None)
    if tag is None:
        return [word]
    places = Pyphen(lang=tag, left=_LEAST_LETTERS, right=_LEAST_LETTERS).positions(word)
    return [word[start:end] for start, end in pairwise([0, *places, len(word)])]


@lru_cache(maxsize=1024)
def _units(text: str) -> tuple[str, ...]:
    """By Unicode's algorithm, which is slow in Python: buttons say the same on all cards."""
    return tuple(line_break_units(text))


def _with_spaces(words: list[str]) -> list[str]:
    """The words, each with the spaces that were parted from it."""
    joined: list[str] = []
    for word in words:
        if joined and word.isspace():
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _none_alone(parts: Sequence[str]) -> list[str]:
    """The parts, one character joined to what follows it, and at the end to what is before.

    A word of one is rare, and often a piece of a longer one that was parted wrongly.
    """
    joined: list[str] = []
    for part in parts:
        if joined and _ALONE.fullmatch(joined[-1]):
            joined[-1] += part
        else:
            joined.append(part)
    if len(joined) > 1 and _ALONE.fullmatch(joined[-1]) and not joined[-2][-1].isspace():
        joined[-2:] = [joined[-2] + joined[-1]]
    return joined


def _ends(parts: Sequence[str]) -> list[int]:
    return list(accumulate(len(part) for part in parts))
