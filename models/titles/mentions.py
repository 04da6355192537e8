"""Whether a title says something: the same words, whatever their case, width or spaces.

Texts are compared as Unicode compares them for a reader (NFKC and case folding, UAX 15). A match
begins and ends with whole characters, and with whole words where the script has spaces between
them; Korean words may have endings.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from adloom.models.titles.scripts import (
    UNSPACED,
    capitalised,
    characters,
    has_capital_of_its_own,
    parted_by_spaces,
    takes_endings,
)

_ALIKE = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u2212": "-"})
_MARKS = regex.compile(r"[^\p{L}\p{M}\p{N}\0]+")
_MARKS_BETWEEN_HAN = regex.compile(r"(?<=\p{Han})[^\p{L}\p{M}\p{N}\0]+(?=\p{Han})")
_TWICE = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}])([\p{L}\p{M}\p{N}]+(?: [\p{L}\p{M}\p{N}]+){0,3}?)"
    r" \1(?![\p{L}\p{M}\p{N}])",
    regex.IGNORECASE | regex.FULLCASE,
)
_TWICE_UNSPACED = regex.compile(
    # Kana double a word to say how something is (fuwafuwa); Han characters of a title do not.
    r"(\p{Han}{2,12}?)\1|(\p{Han}{4,12}?)[^\p{L}\p{M}\p{N}\0]+\2"
    rf"|(?<![{UNSPACED}])([{UNSPACED}]{{2,12}}?)[^\p{{L}}\p{{M}}\p{{N}}\0]+\3(?![{UNSPACED}])"
)
_TWICE_OF_HAN = regex.compile(r"(\p{Han}{4,12}?)\1")
"""In a text without its marks: two characters on both sides of one may belong to other words."""
_SAYS = regex.compile(r"[^\p{P}\p{Z}\p{C}]")
_SENTENCE_ENDS = regex.compile(r"[.!?…]+ ")
_UNWRITTEN = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}"
    r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]"
)
"""What the same word is written with or without: what cannot be seen, the vowel marks of Hebrew and
Arabic, and the stroke that makes an Arabic word longer."""
_DOTS = regex.compile(r"\u0131|(?<=i)\u0307")
"""Turkish has two letters I, whose case nobody can tell without the language: here they are one."""


def mentions(title: str, phrase: str) -> list[tuple[int, int]]:
    """Where ``title`` says ``phrase``: from and to, in order, without overlaps."""
    folded, wanted = _fold(title), _fold(phrase.strip()).text
    found: list[tuple[int, int]] = []
    at = folded.text.find(wanted) if wanted.strip() else -1
    while at >= 0:
        end = at + len(wanted)
        if folded.parted(at, end):
            found.append((folded.begins[at], folded.ends[end]))
        at = folded.text.find(wanted, end if folded.parted(at, end) else at + 1)
    return found


def first_mentioned(title: str, phrases: Iterable[str]) -> str | None:
    """The first of ``phrases`` that ``title`` says; None where it says none."""
    return next((phrase for phrase in phrases if mentions(title, phrase)), None)


def describes(title: str, name: str, selling_points: Sequence[str]) -> bool:
    """Whether a title names its product and, where there are any, one of its selling points.

    Without a ``name``, where a base wants none, the selling point is enough.
    """
    if name and not mentions(title, name):
        return False
    return (bool(name) and not selling_points) or first_mentioned(title, selling_points) is not None


def spelt(title: str, name: str) -> str:
    """``title`` with every mention of ``name`` in that spelling, whatever its case was."""
    for begin, end in reversed(mentions(title, name)):
        title = title[:begin] + name + title[end:]
    return title


def begun(title: str, name: str, language: str = "") -> str:
    """``title`` with a capital letter where it begins, and where a sentence does after ``name``.

    Shops write what they say of a product in small letters, and a name as it is meant: that stays.
    """
    named = mentions(title, name) if name else []
    begins = {0} - {begin for begin, _ in named}
    for _, end in named:
        if after := _SENTENCE_ENDS.match(title, end):
            begins.add(after.end())
    for place in begins:
        if not has_capital_of_its_own(title[place:], language):
            title = title[:place] + capitalised(title[place:])
    return title


def without(title: str, name: str) -> str:
    """``title`` with a mark that no word has for every mention of ``name``."""
    for begin, end in reversed(mentions(title, name)):
        title = f"{title[:begin]}\0{title[end:]}"
    return title


def says_nothing_but(title: str, name: str) -> bool:
    """Whether a title says ``name``, and marks beside it at most."""
    rest = without(title, name)
    return rest != title and not _SAYS.search(rest)


def said_twice(text: str) -> str | None:
    """The first word of ``text``, or phrase of up to four, that follows itself with nothing but
    marks between or within; None where none does.

    Where words are not parted, any two to twelve characters are a phrase.
    """
    found = (
        _TWICE.search(_MARKS.sub(" ", text))
        or _TWICE_UNSPACED.search(text)
        or _TWICE_OF_HAN.search(_MARKS_BETWEEN_HAN.sub("", text))
    )
    return next(phrase for phrase in found.groups() if phrase) if found else None


@dataclass(frozen=True)
class _Folded:
    """A text for comparing; ``begins`` and ``ends`` are the places in the text of its own where
    characters of ``text`` begin and end."""

    text: str
    begins: dict[int, int]
    ends: dict[int, int]

    def parted(self, begin: int, end: int) -> bool:
        """Whether whole characters, and words where there are spaces, lie from ``begin`` to
        ``end``."""
        text = self.text
        if begin not in self.begins or end not in self.ends:
            return False
        if begin > 0 and _one_word(text[begin - 1], text[begin]):
            return False
        return not (
            end < len(text)
            and _one_word(text[end - 1], text[end])
            and not takes_endings(text[end - 1])
        )


def _one_word(left: str, right: str) -> bool:
    return parted_by_spaces(left) and parted_by_spaces(right)


@lru_cache(maxsize=4096)
def _fold(text: str) -> _Folded:
    folded, at = "", 0
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for cluster in characters(text):
        if cluster.isspace():
            plain = "" if folded.endswith(" ") else " "
        else:
            plain = unicodedata.normalize("NFKC", cluster).casefold()
            plain = unicodedata.normalize("NFKC", plain).translate(_ALIKE)
            plain = _UNWRITTEN.sub("", _DOTS.sub(lambda dot: "i" if dot[0] == "ı" else "", plain))
        begins[len(folded)] = at
        folded, at = folded + plain, at + len(cluster)
        ends.setdefault(len(folded), at)
    return _Folded(folded, begins, ends)
