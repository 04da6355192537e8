"""Ads of a batch that wait for a person: all others are drawn meanwhile."""

from __future__ import annotations

from collections import Counter

from adloom.loop.batch.errors import AdsHeld
from adloom.loop.catalogue.creatives.store import Creative

_STATES = {"draft": "wait for a person's approval", "banned": "are banned"}


class Held:
    """Counts them."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._first: Creative | None = None

    def add(self, ad: Creative) -> None:
        """One more, a draft or banned."""
        self._states[ad.state] += 1
        self._first = self._first or ad

    def refuse(self) -> None:
        """Raises AdsHeld where there are any."""
        if self._first is None:
            return
        told = " and ".join(
            f"{self._states[state]:,} {why}"
            for state, why in _STATES.items()
            if self._states[state]
        )
        ad = self._first.ad_id
        raise AdsHeld(
            f"not all ads may be shown: {told} (the first: adloom creatives history {ad}; what "
            "waits: adloom creatives list --state draft); all others are drawn: approve them "
            f"(adloom creatives approve {ad}), and run this again; a batch in another --out draws "
            "others"
        )
