"""The words and phrases that titles are made of, spelt for every place in a title."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from transformers import PreTrainedTokenizerFast

from adloom.models.titles.mentions import said_twice
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.scripts import (
    capitalised,
    characters,
    has_capital_of_its_own,
    small,
    tidied,
    without_spaces,
)
from adloom.models.titles.spelling import Node, Speller, speller


@dataclass(frozen=True)
class Units:
    """Texts, each as it is and with a capital first letter.

    ``spaced`` has them after a space; ``joined`` begin with a script that needs none before,
    ``apart`` with anything else. ``texts`` are those that are in.
    """

    spaced: Node = field(default_factory=Node)
    joined: Node = field(default_factory=Node)
    apart: Node = field(default_factory=Node)
    texts: set[str] = field(default_factory=set, compare=False)

    def add(self, text: str, spell: Speller, says: str) -> None:
        """Take in ``text``, a way to write ``says``, unless the tokenizer cannot spell it."""
        first, last = characters(text)[0][0], characters(text)[-1][0]
        bare = self.joined if without_spaces(first) else self.apart
        touching = not without_spaces(last)
        for node, written in ((bare, text), (self.spaced, f" {text}")):
            tokens = spell.spell(written)
            if tokens is not None:
                node.add(tokens, touching=touching, says=says)
                self.texts.add(says)

    def without(self, texts: frozenset[str]) -> Units:
        """All but ``texts``; the same each time, for what is kept of it."""
        return _without(self, texts) if self.texts & texts else self


@lru_cache(maxsize=1024)
def _without(own: Units, texts: frozenset[str]) -> Units:
    spaced, joined, apart = (tree.without(texts) for tree in (own.spaced, own.joined, own.apart))
    return Units(spaced, joined, apart, own.texts - texts)


def units(texts: Iterable[str], spell: Speller, language: str, *, any_case: bool = False) -> Units:
    """``texts`` as units; ``any_case`` has them with a small first letter too."""
    made = Units()
    for text in dict.fromkeys(texts):
        for written in _cases(text, language, any_case):
            made.add(written, spell, text)
    return made


@lru_cache(maxsize=16)
def style_units(tokenizer: PreTrainedTokenizerFast, rules: TitleRules) -> Units:
    """The style words that ``rules`` allow, which all products of such rules share."""
    words = tuple(filter(None, (bare(text) for text in rules.style_words)))
    return units(rules.allowed(words), speller(tokenizer), rules.language)


@lru_cache(maxsize=4096)
def following(own: Units, last: str) -> Units:
    """Those of ``own`` after which ``last`` and they say no word twice in a row."""
    # With nothing between, or a mark: scripts differ in what that tells apart.
    again = {text for text in own.texts if any(said_twice(last + to + text) for to in ("", ", "))}
    return own.without(frozenset(again))


def bare(text: str) -> str:
    """``text`` tidied, without the punctuation around it: a title has its own."""
    return tidied(text).strip(" .,:;!?¡¿…、。，！？：；・،؛؟।॥")


def _cases(text: str, language: str, any_case: bool) -> list[str]:
    if has_capital_of_its_own(text, language):
        return [text]
    cases = [text, capitalised(text), *([small(text)] if any_case else [])]
    return list(dict.fromkeys(cases))
