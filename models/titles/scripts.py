"""What the scripts of the world differ in: spaces between words, capitals, what is one character.

Unicode's own properties tell; see UAX 29 for grapheme clusters, what a reader takes for one
character: a letter with its marks, a flag, a family of emoji.
"""

from __future__ import annotations

import regex

UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー"
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
)
"""Scripts that write words without spaces between them."""
_TURKIC = {"tr", "az"}
"""Here the capital of ``i`` is ``İ``."""
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]")
_OF_UNSPACED = regex.compile(f"[{UNSPACED}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_CLUSTER = regex.compile(r"\X")
_UNFIT = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}"
    r"\u00ad\u200b\u2028\u2029\u2060\ufeff\ufffc\ufffd\u202a-\u202e\u2066-\u2069]"
)
"""Controls, ends of lines, what cannot be seen, what turns the direction of all that follows, and
the marks of text that is broken."""
_SEEN = regex.compile(r"[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}]")
_HALVES = regex.compile(
    r"\A[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}\s]+|[\p{GCB=Prepend}\p{GCB=ZWJ}\s]+\Z"
)
"""What would melt into the character before or after a text."""


def characters(text: str) -> list[str]:
    """The grapheme clusters of ``text``, in order; together they are the text."""
    return [str(cluster) for cluster in _CLUSTER.findall(text)]


def tidied(text: str) -> str:
    """``text`` on one line as it may stand in a title: single spaces, nothing unseen or broken."""
    seen = _UNFIT.sub("", regex.sub(r"\s+", " ", text))
    return str(_HALVES.sub("", regex.sub(r" {2,}", " ", seen)))


def can_be_seen(text: str) -> bool:
    """Whether a title that is ``text`` shows anything; private characters show boxes at best."""
    return _SEEN.search(tidied(text)) is not None


def unfit_in(text: str) -> str | None:
    """The first character of ``text`` that no title may have; None where there is none."""
    found = _UNFIT.search(text)
    return str(found.group()) if found else None


def parted_by_spaces(character: str) -> bool:
    """Whether it is of a word, and such that spaces tell where the word ends."""
    return bool(_WORD.match(character)) and not _OF_UNSPACED.match(character)


def without_spaces(character: str) -> bool:
    """Whether it is of a script that writes words without spaces between them."""
    return bool(_OF_UNSPACED.match(character))


def takes_endings(character: str) -> bool:
    """Whether what follows it in its word may be an ending that says who does what (Korean)."""
    return bool(_HANGUL.match(character))


def capitalised(text: str) -> str:
    """``text`` with a capital first letter, where its script has one that is one letter too.

    ``ß``, ``ŉ`` and the like stay as they are, and so does ``iPhone``: a word with a capital in
    it was meant so.
    """
    capital, rest = text[:1].title(), text[1:]
    first_word = rest.split(" ", 1)[0]
    one_for_one = len(capital) == 1 and capital.lower() == text[:1]
    return capital + rest if one_for_one and first_word == first_word.lower() else text


def has_capital_of_its_own(text: str, language: str) -> bool:
    """Whether the capital of the first letter is not what :func:`capitalised` gives: Turkish I."""
    return text[:1] in "iIıİ" and language.lower().split("-")[0] in _TURKIC


def small(text: str) -> str:
    """``text`` with a small first letter, where :func:`capitalised` gives it back."""
    other = text[:1].lower() + text[1:]
    return other if capitalised(other) == text else text
