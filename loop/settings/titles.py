"""Settings of titles: words of style, of savings, and words that no title may have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from adloom.loop.settings.catalogue import Language
from adloom.loop.settings.section import Section
from adloom.models.titles.languages import fallbacks
from adloom.models.titles.mentions import mentions


def _findable(word: str) -> str:
    """Refuses what no title can be found to say, such as characters without width alone."""
    if "\0" in word:
        raise ValueError("must not hold the character NUL")
    if not mentions(word, word):
        raise ValueError("shows nothing that a title could say")
    return word


Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_findable),
]


def _listed(given: Any) -> Any:
    """A list; the environment has one as JSON."""
    return json.loads(given) if isinstance(given, str) and given.startswith("[") else given


Words = Annotated[tuple[Word, ...], Field(max_length=2000), BeforeValidator(_listed)]


class LanguageTitles(Section):
    """`[titles.de]`: titles in one language."""

    words: Words | None = Field(
        default=None,
        description="words of style that a title may use beside the name and the selling points; "
        "none = those that the shop's own ads use, [] = no words",
    )
    banned: Words = Field(default=(), description="words that no title may use, in any case")
    saving: Words = Field(
        default=(),
        description="words that speak of a saving, beside those that adloom knows: only for "
        "products with a sale price",
    )


class TitleSettings(Section):
    """`[titles]`: what titles may say; `[titles.de]`, `[titles.pt-BR]`, … have each language's."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, LanguageTitles]

    banned: Words = Field(default=(), description="words that no title may use, in any language")

    @model_validator(mode="before")
    @classmethod
    def _languages_alone(cls, given: Any) -> Any:
        for key, value in given.items() if isinstance(given, dict) else ():
            if key in cls.model_fields:
                continue
            try:
                TypeAdapter(Language).validate_python(key)
            except ValidationError:
                raise ValueError(
                    f"{key}: no such setting, and not a language tag such as de or pt-BR"
                ) from None
            if not isinstance(value, (dict, LanguageTitles)):
                raise ValueError(f"{key}: a language is a table of its own, as in [titles.{key}]")
        return given

    def all_banned(self) -> Iterator[tuple[str, str]]:
        """Each banned word after its language; "" is every language."""
        yield from (("", word) for word in self.banned)
        for language, part in self.__pydantic_extra__.items():
            yield from ((language, word) for word in part.banned)

    def of(self, language: str) -> Iterator[LanguageTitles]:
        """What is set for ``language``, then for what it falls back to: pt-BR, then pt."""
        known = {tag.lower(): part for tag, part in self.__pydantic_extra__.items()}
        yield from (known[tag] for tag in fallbacks(language) if tag in known)
