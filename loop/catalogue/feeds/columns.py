"""Where a feed keeps each attribute: under its own name, or under one that the settings give."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

from adloom.loop.catalogue.feeds.attributes import PRODUCT, Attributes
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable, shown

_SHOWN_NAMES = 12

Fields = dict[str, object]


class Columns:
    """Finds attributes by the feed's names; those that the settings tell go before the usual."""

    def __init__(self, told: Mapping[str, str], attributes: Attributes = PRODUCT) -> None:
        """``told``: attribute = name in the feed. Raises FeedUnreadable for no attribute."""
        self.attributes = attributes
        self._setting = f"{attributes.section}.columns"
        self.told: dict[str, str] = {}
        for written, name in told.items():
            attribute = attributes.named(written)
            if attribute is None:
                near = _nearest(written, attributes.told)
                raise FeedUnreadable(f"{self._setting}: there is no attribute {written!r}{near}")
            self.told[attribute] = name

    def usual(self, name: str) -> str | None:
        """The attribute that a name stands for by itself; None where the settings tell another."""
        attribute = self.attributes.named(name)
        return None if attribute in self.told else attribute

    def of_header(self, names: Sequence[str]) -> list[tuple[int, str]]:
        """Which column holds which attribute, in the order of the columns.

        Raises FeedUnreadable where a told name is missing, or one is missing that is needed.
        """
        places = [
            (place, attribute)
            for place, name in enumerate(names)
            if (attribute := self.usual(name)) is not None
        ]
        for attribute, told in self.told.items():
            found = [place for place, name in enumerate(names) if name == told]
            if not found:
                raise self.missing(attribute, names)
            places += [(place, attribute) for place in found]
        for attribute in self.attributes.needed:
            if all(attribute != known for _, known in places):
                near = _nearest(attribute, names) or f"; it has {_listed(names)}"
                raise FeedUnreadable(
                    f"there is no column {attribute!r}{near} ({self._setting} can name it)"
                )
        return sorted(places)

    def missing(self, attribute: str, names: Iterable[str]) -> FeedUnreadable:
        """The error of a told name that the feed has not."""
        told, known = self.told[attribute], list(dict.fromkeys(names))
        near = _nearest(told, known) or f"; it has {_listed(known)}"
        return FeedUnreadable(f"{self._setting}: the feed has no {told!r} for {attribute}{near}")

    def absent(self, found: Collection[str], names: Iterable[str]) -> tuple[str, ...]:
        """Warnings of told names that the first rows have not, where a row need not have all.

        A name may be absent because nothing is on sale today. Raises FeedUnreadable where it must
        be a mistake: the attribute is needed, or there is a name almost like it.

        Args:
            found: attributes whose told name is there.
            names: all that the rows have.
        """
        known = [name for name in dict.fromkeys(names) if self.usual(name) is None]
        warnings = []
        for attribute, told in self.told.items():
            if attribute in found or told in known:
                continue
            if attribute in self.attributes.needed or _nearest(told, known, cutoff=0.8):
                raise self.missing(attribute, known)
            warnings.append(f"{self._setting}: the first rows have no {told!r} for {attribute}")
        return tuple(warnings)


def gathered(pairs: Iterable[tuple[str, object]]) -> Fields:
    """Values by attribute; those of a repeated one are a list."""
    fields: Fields = {}
    for attribute, value in pairs:
        if attribute not in fields:
            fields[attribute] = value
        elif value is not None and value != "":
            before = fields[attribute]
            more = value if isinstance(value, list) else [value]
            fields[attribute] = [*before, *more] if isinstance(before, list) else [before, *more]
    return fields


def _nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    by_spelling = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), by_spelling, n=1, cutoff=cutoff)
    return f"; did you mean {shown(by_spelling[near[0]])}?" if near else ""


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return ", ".join(shown(name) for name in names[:_SHOWN_NAMES]) + more if names else "no names"
