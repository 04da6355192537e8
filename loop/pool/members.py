"""Finished ads of a product, with what choosing among them needs: made once, not by request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from adloom.loop.pool.looks import Look, LookArrays
from adloom.loop.pool.own_clicks import Counted, OwnClicks, own_clicks
from adloom.loop.pool.taste import LIKENESS, Taste


def _none() -> NDArray[np.float32]:
    return np.zeros(LIKENESS, np.float32)


@dataclass(frozen=True)
class Member:
    """An ad of the pool, or of the shop's own.

    Attributes:
        look: none where nobody knows what it is like.
        drawn_by: what drew it: version and settings; "shop" of the shop's own.
        likeness: to what the shopper it was drawn for had clicked, as `Taste.likeness` has it,
            float32, shape (2,); zeros where nothing was.
    """

    ad_id: str
    look: Look | None
    made_at: datetime
    drawn_by: str = ""
    likeness: NDArray[np.float32] = field(default_factory=_none)


class Members(Sequence[Member]):
    """Ads that may be chosen. For any number of threads."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._young: Members | None = None
        self._counted: tuple[Mapping[str, Counted], OwnClicks] | None = None

    @overload
    def __getitem__(self, number: int) -> Member: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Member]: ...
    def __getitem__(self, number: int | slice) -> Member | Sequence[Member]:
        return self._members[number]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    @cached_property
    def made_at(self) -> NDArray[np.float64]:
        """Seconds since the epoch, shape (m,)."""
        return np.array([member.made_at.timestamp() for member in self._members])

    @cached_property
    def drawn_likeness(self) -> NDArray[np.float32]:
        """Of those that were drawn for somebody who had clicked, shape (n, 2)."""
        found = [member.likeness for member in self._members if member.likeness.any()]
        return np.stack(found) if found else np.zeros((0, LIKENESS), np.float32)

    def likeness(self, taste: Taste) -> NDArray[np.float64]:
        """To what was clicked, shape (m, 2).

        An ad whose look nobody knows is as alike as the others are on average.
        """
        known, looks = self._looks
        likeness = np.zeros((len(self), LIKENESS))
        if len(looks):
            found = taste.likeness(looks)
            likeness[:] = found.mean(axis=0)
            likeness[known] = found
        return likeness

    def own_clicks(self, counts: Mapping[str, Counted]) -> OwnClicks:
        """By counts that nobody changes; those of the last call are known."""
        known = self._counted
        if known is not None and known[0] is counts:
            return known[1]
        found = own_clicks([counts.get(one.ad_id, Counted()) for one in self._members])
        self._counted = counts, found
        return found

    def since(self, oldest: datetime) -> Members:
        """Those that were made then or later; the same again until one more is too old."""
        young = self.made_at >= oldest.timestamp()
        if young.all():
            return self
        known = self._young
        if known is None or len(known) != young.sum():
            known = Members([one for one, is_young in zip(self, young, strict=True) if is_young])
            self._young = known
        return known

    def without(self, number: int) -> Members:
        """All but one."""
        return Members([one for n, one in enumerate(self) if n != number])

    @cached_property
    def _looks(self) -> tuple[list[int], LookArrays]:
        """Whose looks are known, and these."""
        known = [n for n, one in enumerate(self._members) if one.look is not None]
        looks = [look for one in self._members if (look := one.look) is not None]
        return known, LookArrays.of(looks)
