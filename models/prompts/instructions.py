"""The instruction: a title from a product's own words (Uni-AdGen, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adloom.models.brief import AdBrief
from adloom.models.titles.languages import of_language


@dataclass(frozen=True)
class _Wording:
    """How a language asks: ``using`` for a title with words, ``bare`` where there are none."""

    using: str
    bare: str
    between: str = ", "


_ENGLISH = _Wording("Write a title for {name} using {words}", "Write a title for {name}")
_TABLE: dict[str, _Wording] = {
    "de": _Wording(
        "Schreibe einen Titel für {name} und verwende {words}", "Schreibe einen Titel für {name}"
    ),
    "es": _Wording("Escribe un título para {name} usando {words}", "Escribe un título para {name}"),
    "fr": _Wording("Écris un titre pour {name} en utilisant {words}", "Écris un titre pour {name}"),
    "ja": _Wording(
        "{words}を使って、{name}のタイトルを書いてください",
        "{name}のタイトルを書いてください",
        "、",
    ),
    "zh": _Wording("请用{words}为{name}写一个标题", "请为{name}写一个标题", "、"),
}


def instruction(brief: AdBrief) -> str:
    """The instruction in English, as the bundled model has learnt it."""
    words = _ENGLISH.between.join(brief.selling_words)
    return _ENGLISH.using.format(name=brief.product_name, words=words)


def instruction_in(language: str, name: str, words: Sequence[str]) -> str:
    """The instruction in ``language`` (BCP 47); in English where it is not known."""
    wording = of_language(_TABLE, language, _ENGLISH)
    if not words:
        return wording.bare.format(name=name)
    return wording.using.format(name=name, words=wording.between.join(words))
