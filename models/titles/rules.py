"""What the titles of a product may say besides its own name and selling points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adloom.models.titles.mentions import first_mentioned, mentions, without
from adloom.models.titles.savings import claims_saving
from adloom.models.titles.scripts import tidied


@dataclass(frozen=True)
class TitleRules:
    """What keeps a title to its product.

    Attributes:
        language: BCP 47 tag, which tells the punctuation and the words for a saving.
        style_words: words or phrases that any title may use.
        banned: words or phrases that none may use, but for a name that has them in it.
        saving_words: what speaks of a saving beside :mod:`adloom.models.titles.savings`.
        may_speak_of_saving: the product has a price that was lowered.
    """

    language: str = "en"
    style_words: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    saving_words: tuple[str, ...] = ()
    may_speak_of_saving: bool = True

    def objection(self, text: str, name: str = "") -> str | None:
        """Why a title may not say ``text``, mentions of ``name`` left out; None where it may."""
        word = self.banned_beside(text, [name])
        if word is not None:
            return f"says {word!r}, which is banned"
        said = without(text, name)
        if not self.may_speak_of_saving and claims_saving(said, self.language, self.saving_words):
            return "speaks of a price or a saving on a product without a sale price"
        return None

    def banned_beside(self, text: str, names: Sequence[str]) -> str | None:
        """The first banned word that ``text`` says otherwise than within one of ``names``."""
        named = [place for name in names for place in mentions(text, name)]
        return next((word for word in self.banned if _says(text, word, named)), None)

    def banned_in(self, text: str) -> str | None:
        """The first banned word that ``text`` says; None where it says none."""
        return first_mentioned(text, self.banned)

    def allowed(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``texts`` that a title may say."""
        return tuple(text for text in texts if self.objection(text) is None)

    def phrases(self, texts: Sequence[str], name: str) -> tuple[str, ...]:
        """Phrases of a product, tidied, that a title may say and ``name`` does not say already."""
        told = self.allowed(tuple(filter(None, map(tidied, texts))))
        return tuple(text for text in told if not mentions(name, text))


def _says(text: str, phrase: str, names: Sequence[tuple[int, int]]) -> bool:
    """Whether ``text`` says ``phrase`` otherwise than within one of the names."""
    return any(
        not any(begin <= at and until <= end for begin, end in names)
        for at, until in mentions(text, phrase)
    )
