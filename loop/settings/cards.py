"""Settings of the cards that show an ad in the formats of feeds and stories."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from adloom.loop.settings.catalogue import Language
from adloom.loop.settings.section import Section

Call = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class CardSettings(Section):
    """`[cards]`: what cards say beside title and price."""

    call_to_action: dict[Language, Call] = Field(
        default={},
        max_length=200,
        description='own words for the button, by language: { de = "Jetzt entdecken" }; languages '
        "without any say what adloom knows, such as Shop now",
    )
