"""A title says a selling point once: said again, or as part of another, it adds nothing."""

from __future__ import annotations

from collections.abc import Sequence

from adloom.models.titles.mentions import first_mentioned, mentions
from adloom.models.titles.units import Units


class Points:
    """The selling points of one product, and which of them are said once one is."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._said: dict[str, frozenset[str]] = {}

    def said_by(self, text: str) -> frozenset[str]:
        """Those that say part of ``text``, which is one of them, or that it says part of."""
        if text not in self._texts:
            return frozenset()
        if text not in self._said:
            near = (one for one in self._texts if mentions(one, text) or mentions(text, one))
            self._said[text] = frozenset(near) | {text}
        return self._said[text]

    def unsaid_by(self, style: Units) -> Units:
        """Style words without those that say one of them."""
        all_at_once = "\n".join(sorted(style.texts))
        said = [one for one in self._texts if mentions(all_at_once, one)]
        if not said:
            return style
        return style.without(frozenset(t for t in style.texts if first_mentioned(t, said)))


def said_again(text: str, points: Sequence[str]) -> str | None:
    """The first of ``points`` that is said more than once, not each time within a longer one."""
    said = {point: mentions(text, point) for point in points}
    for point, places in said.items():
        if len(places) < 2:
            continue
        longer = [place for one, at in said.items() if len(one) > len(point) for place in at]
        if any(not _within(place, longer) for place in places):
            return point
    return None


def _within(place: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= place[0] and place[1] <= end for begin, end in others)
