"""What hangs on a title's language: its punctuation, and where to look for what is not given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def fallbacks(language: str) -> Iterator[str]:
    """``language`` and ever less of it, in small letters: pt-BR gives pt-br, pt."""
    parts = language.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        yield "-".join(parts[:length])


def of_language(table: Mapping[str, T], language: str, otherwise: T) -> T:
    """What ``table`` has for ``language`` or for what it falls back to; its keys are small."""
    for tag in fallbacks(language):
        if tag in table:
            return table[tag]
    return otherwise


@dataclass(frozen=True)
class Punctuation:
    """How a language parts phrases.

    ``between`` are marks between two phrases, with the space after them where one is needed; ""
    joins phrases where neither of the two words that meet needs a space. ``end`` are marks that
    may close a title; ``naming`` parts a name from what is said of it.
    """

    between: tuple[str, ...] = (", ", "! ", ". ", ": ", " ")
    end: tuple[str, ...] = (".", "!")
    naming: str = ": "


_CHINESE = Punctuation(("，", "！", "。", "：", "、", " ", ""), ("。", "！"), "：")
_THAI = Punctuation(("! ", ", ", " ", ""), ("!",), " ")
_ARABIC = Punctuation(("، ", "! ", ". ", ": ", " "))
_SPANISH = Punctuation((", ", ". ", ": ", " "), (".",))
_TABLE: dict[str, Punctuation] = {
    "ar": _ARABIC,
    "es": _SPANISH,  # "!" would need its twin before
    "fa": _ARABIC,
    "fr": Punctuation((", ", "\u202f! ", ". ", "\u00a0: ", " "), (".", "\u202f!"), "\u00a0: "),
    "gl": _SPANISH,
    "hi": Punctuation((", ", "! ", "। ", ": ", " "), ("।", "!")),
    "ja": Punctuation(("、", "！", "。", "：", "・", " ", ""), ("。", "！"), "："),
    "km": _THAI,
    "lo": _THAI,
    "my": _THAI,
    "th": _THAI,
    "ur": Punctuation(("، ", "! ", "۔ ", ": ", " "), ("۔", "!")),
    "yue": _CHINESE,
    "zh": _CHINESE,
}


def punctuation(language: str) -> Punctuation:
    """The marks that part phrases in ``language``; those of English where it is not known."""
    return of_language(_TABLE, language, Punctuation())
