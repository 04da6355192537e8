"""The name of a product as titles say it: whole, short, or without what follows one of its marks.

Where it is cut elsewhere, what it is may be lost: in many languages the noun comes last. The model
then goes by the beginning, and what is shown are the product's own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

import regex
from transformers import PreTrainedTokenizerFast

from adloom.models.titles.mentions import first_mentioned
from adloom.models.titles.scripts import characters, tidied, without_spaces
from adloom.models.titles.spelling import Speller, speller

_KINDS = regex.compile(
    r"(?<kanji>[\p{Han}])|(?<kana>[\p{Hiragana}])|(?<katakana>[\p{Katakana}ー])"
    r"|(?<digit>\p{N})|(?<letter>[\p{L}\p{M}])"
)
_DANGLING = " -–—,;:、，：・&+/|(（[［{<«„“‚‘「『"
"""What a name that was cut does not end in."""
_WORTHWHILE = 0.5
"""Share of what fits that a cut at a word's end keeps, where words have no spaces, and one at a
mark that also stands after a brand or between adjectives."""
_BY = {True: regex.compile(r"\s*[(\[{（［【〔]"), False: regex.compile(r"[,;]\s|\s*[|｜–—]|\s-\s")}
"""The marks that a name may end before: brackets, and others."""
_LONGEST = 1000
"""Characters of a name that are looked at."""
TitleWants = Literal["name", "short_name", "words"]
"""What a title has to say of its product."""


@dataclass(frozen=True)
class FittedName:
    """A name that fits.

    Attributes:
        text: what titles say.
        needed: tokens of a title that is the whole name and nothing else, its end counted.
        cut: neither the name nor the short one fits: ``text`` is the beginning of one of them.
        own: what a title of the product's own words says: ``text``, or the whole name where it was
            cut so that it may not tell what the product is.
    """

    text: str
    needed: int
    cut: bool
    own: str

    @property
    def tells(self) -> bool:
        """Whether ``text`` tells what the product is."""
        return self.text == self.own


@lru_cache(maxsize=4096)
def fit_name(
    tokenizer: PreTrainedTokenizerFast, name: str, short_name: str, limit: int
) -> FittedName:
    """The name if it fits into ``limit`` tokens with a title's end, else the short one, else cut.

    Where not even the first character fits, as with letters under towers of marks, the marks are
    left out.

    Raises:
        ValueError: there is no name, the tokenizer cannot spell it, or not even its first
            letter fits.
    """
    spell = speller(tokenizer)
    full, short = tidied(name[:_LONGEST]), tidied(short_name[:_LONGEST])
    if not full:
        raise ValueError("a title needs the name of its product")
    needed = _tokens(spell, full)
    if needed is None:
        raise ValueError(f"the model's tokenizer cannot spell the name {full!r}")
    for whole in filter(None, (full, short)):
        if _fits(spell, whole, limit):
            return FittedName(whole, needed, cut=False, own=whole)
    for text in filter(None, (short, full)):
        if beginning := _before_mark(spell, text, limit):
            return FittedName(beginning, needed, cut=True, own=beginning)
    own = min(filter(None, (full, short)), key=len)
    for text in filter(None, (short, full, _bare(short), _bare(full))):
        beginning = text if _fits(spell, text, limit) else _cut(spell, text, limit)
        if beginning:
            return FittedName(beginning, needed, cut=True, own=own)
    raise ValueError(f"no part of the name {full!r} fits into {limit} tokens")


def wanted_name(
    tokenizer: PreTrainedTokenizerFast,
    wants: TitleWants,
    name: str,
    short_name: str,
    words: Sequence[str],
    limit: int,
) -> FittedName | None:
    """The name that titles of a product say; None where one of its words is enough.

    Args:
        words: those of the product that a title may say; where none fits, its name is wanted.
        limit: tokens of the longest title, its end counted.

    Raises:
        ValueError: as :func:`fit_name`.
    """
    if wants == "words" and any(_fits(speller(tokenizer), word, limit) for word in words):
        return None
    if wants == "short_name" and tidied(short_name):
        name, short_name = short_name, name
    return fit_name(tokenizer, name, short_name, limit)


def title_name(
    tokenizer: PreTrainedTokenizerFast,
    wants: TitleWants,
    name: str,
    short_name: str,
    words: Sequence[str],
    limit: int,
) -> str:
    """What titles call a product, as :func:`wanted_name` tells; "" where nothing of it."""
    fitted = wanted_name(tokenizer, wants, name, short_name, words, limit)
    return "" if fitted is None else fitted.text


def name_in(title: str, names: Sequence[str]) -> str:
    """What a title calls its product: the longest of ``names`` that it says, or else of what they
    are up to one of their marks; "" where it says none."""
    whole = [text for text in (tidied(name[:_LONGEST]) for name in names) if text]
    shorter = [beginning for text in whole for beginning, _ in _marked(text)]
    for some in (whole, shorter):
        if found := first_mentioned(title, sorted(some, key=len, reverse=True)):
            return found
    return ""


def _bare(text: str) -> str:
    """``text`` with nothing but the first code point of each character."""
    return tidied("".join(cluster[0] for cluster in characters(text)))


def _tokens(spell: Speller, text: str) -> int | None:
    ids = spell.spell(text)
    return None if ids is None else len(ids) + 1


def _fits(spell: Speller, text: str, limit: int) -> bool:
    needed = _tokens(spell, text)
    return needed is not None and needed <= limit


def _cut(spell: Speller, text: str, limit: int) -> str:
    """The longest beginning that fits and ends with a word, or at least with a character."""
    whole = next((end for end in _ends(text, words=False) if _fits(spell, end, limit)), "")
    at_words = (end for end in _ends(text, words=True) if len(end) <= len(whole))
    worded = next((end for end in at_words if _fits(spell, end, limit)), "")
    spaced = bool(whole) and not without_spaces(whole[-1])
    if worded and (spaced or len(worded) >= _WORTHWHILE * len(whole)):
        return worded
    return whole


def _before_mark(spell: Speller, text: str, limit: int) -> str:
    """The longest beginning that fits and has a mark after it; "" where none says enough."""
    longest = next((end for end in _ends(text, words=False) if _fits(spell, end, limit)), "")
    for beginning, aside in _marked(text):
        least = 1 if aside else _WORTHWHILE * len(longest)
        if least <= len(beginning) <= len(longest):
            return beginning
    return ""


def _marked(text: str) -> Iterator[tuple[str, bool]]:
    """Beginnings of ``text`` with a mark after them, the longest first, and whether it is a
    bracket."""
    whole_characters = set(accumulate(map(len, characters(text))))
    marks = [(mark.start(), aside) for aside in (False, True) for mark in _BY[aside].finditer(text)]
    for at, aside in sorted(marks, reverse=True):
        if at in whole_characters and (beginning := text[:at].rstrip(_DANGLING)):
            yield beginning, aside


def _ends(text: str, *, words: bool) -> Iterator[str]:
    """Beginnings of ``text``, the longest first, without what dangles at their ends."""
    clusters = characters(text)
    for count in range(len(clusters) - 1, 0, -1):
        if not words or _word_ends(clusters[count - 1], clusters[count]):
            beginning = "".join(clusters[:count]).rstrip(_DANGLING)
            if beginning:
                yield beginning


def _word_ends(left: str, right: str) -> bool:
    """Whether a word may end between the two; scripts without spaces change their kind there."""
    if left.isspace() or right.isspace():
        return True
    if without_spaces(left[0]) or without_spaces(right[0]):
        return _kind(left) != _kind(right) and (_kind(left), _kind(right)) != ("kanji", "kana")
    return False


def _kind(cluster: str) -> str | None:
    found = _KINDS.match(cluster)
    return found.lastgroup if found else None
