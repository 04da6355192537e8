"""Whether a title may be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import islice

from adloom.models.titles.languages import punctuation
from adloom.models.titles.mentions import (
    first_mentioned,
    mentions,
    said_twice,
    says_nothing_but,
    without,
)
from adloom.models.titles.points import said_again
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.scripts import capitalised, unfit_in


def check_title(
    title: str,
    name: str,
    rules: TitleRules | None = None,
    *,
    words: Sequence[str] = (),
    cut: bool = False,
) -> str | None:
    """Why a title may not be shown, in words that follow "the title"; None where it may.

    Args:
        name: what the title calls its product; "" where one of ``words`` is enough.
        rules: those of the product; without them nothing is banned.
        words: those of the product.
        cut: the title was ended where there was no room for more.
    """
    if not title.strip():
        return "is empty"
    if (character := unfit_in(title)) is not None:
        return f"holds {unicodedata.name(character, f'U+{ord(character):04X}')}"
    if cut:
        return "is cut"
    if not name and (word := first_mentioned(title, words)) is None:
        return "says none of its product's words"
    if not name and (word := _alone(title, words)) is not None:
        return f"says nothing but {word!r}"
    if name and not mentions(title, name):
        return f"does not name {name!r}"
    if (word := said_twice(without(title, name))) is not None:
        return f"says {word!r} twice in a row"
    if (word := said_again(without(title, name), words)) is not None:
        return f"says {word!r} more than once"
    return rules.objection(title, name) if rules is not None else None


def _alone(title: str, words: Sequence[str]) -> str | None:
    """The one of ``words`` that a title is, and nothing else: it could be any product's."""
    return next((word for word in words if says_nothing_but(title, word)), None)


def plain_title(name: str, selling_points: Sequence[str], rules: TitleRules | None = None) -> str:
    """A title that needs no model: the name and the first selling point that adds to it.

    Without a name, where it cannot be spelt, it is the first two selling points.
    """
    rules = rules or TitleRules()
    said = rules.phrases(selling_points, name)
    marks = punctuation(rules.language)
    if not name:
        others = (
            one for one in said[1:] if not mentions(said[0], one) and not mentions(one, said[0])
        )
        return capitalised(marks.between[0].join([*said[:1], *islice(others, 1)]))
    return name + marks.naming + said[0] if said else name
