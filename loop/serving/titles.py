"""The title of an ad: the model's where it may be shown, else one that needs no model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adloom.loop.inspection.inspect import Said
from adloom.models.brief import AdBrief
from adloom.models.engine import Drawn
from adloom.models.generates import Generates
from adloom.models.titles.check import check_title, plain_title
from adloom.models.titles.mentions import describes
from adloom.models.titles.rules import TitleRules

TitleSource = Literal["model", "fallback"]
MOST_TITLES = 3
"""Titles that are drawn for an ad at most, the first with its picture."""
_log = logging.getLogger("adloom.serve")


@dataclass(frozen=True)
class Title:
    """A title that is shown.

    ``describes`` is true where it names the product, if the base wants that, and a selling point of
    it, if it has any.
    """

    text: str
    source: TitleSource
    describes: bool


def title_seed(seed: int, attempt: int) -> int:
    """The seed of a title that is drawn again; ``attempt`` counts from 1."""
    return int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])


def another_seed(seed: int) -> int:
    """The seed of the ad that is drawn in place of one that may not be shown."""
    return title_seed(seed, 0)


def drawn_title(
    generator: Generates, drawn: Drawn, told: AdBrief, rules: TitleRules
) -> Title | None:
    """The title that was drawn, or None where it may not be shown.

    No other draw helps where it cannot tell what the product is.
    """
    if not generator.tells_product(told):
        return None
    text, name = generator.title(drawn, told), generator.title_name(told)
    against = check_title(text, name, rules, words=told.selling_words, cut=drawn.cut)
    if against is not None:
        _log.info("a title for %r %s: %r", told.product_name, against, text[:200])
        return None
    return Title(text, "model", describes(text, name, told.selling_words))


def fallback_title(generator: Generates, told: AdBrief, rules: TitleRules) -> Title:
    """The name and a selling point, also where the base wants no name: one that is drawn says more
    than a word, and so does this."""
    name = generator.own_name(told)
    text = plain_title(name, told.selling_words, rules)
    wanted = name if generator.title_name(told) else ""
    return Title(text, "fallback", describes(text, wanted, told.selling_words))


def said_by(generator: Generates, told: AdBrief, title: Title) -> Said:
    """A title with what it is held against before it is shown."""
    if title.source == "model":
        return Said(title.text, generator.title_name(told), told.selling_words)
    return Said(title.text, generator.own_name(told), told.selling_words, own_words=True)
