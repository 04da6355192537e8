"""What everybody clicked in a category of late, as it stood at any moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.learning.training_set import ClickedAd
from adloom.models.brief import HistoryAd

_LONGEST = 10
"""A prompt has no room for more ads."""
_CLICKS = 20
"""Of which the ads that were clicked most are taken."""


class ClickTrends:
    """Clicked ads by the category of their product."""

    def __init__(self, clicked: Sequence[ClickedAd], past_ads: PastAds) -> None:
        """Look up the ads of ``clicked``; those that adloom does not know tell nothing."""
        products = past_ads.catalogue.find(click.item_id for click in clicked)
        kept = past_ads.creatives.get_many([click.ad_id for click in clicked])
        self._ads = {ad_id: HistoryAd(ad.title, ad.codes, ad_id) for ad_id, ad in kept.items()}
        self._clicks: dict[str, list[ClickedAd]] = {}
        for click in sorted(clicked, key=lambda c: c.clicked_at, reverse=True):
            if click.ad_id in kept and click.item_id in products:
                self._clicks.setdefault(products[click.item_id].category, []).append(click)

    def before(self, category: str, moment: datetime, besides: str) -> tuple[HistoryAd, ...]:
        """The ads that were clicked most of late before ``moment``, those first.

        The ad ``besides`` is left out: to learn it from its own picture is to learn to copy.
        """
        return self._most_clicked(
            click
            for click in self._clicks.get(category, [])
            if click.clicked_at < moment and click.ad_id != besides
        )

    def now(self) -> dict[str, tuple[HistoryAd, ...]]:
        """The ads of every category that were clicked most of late, those first."""
        return {category: self._most_clicked(clicks) for category, clicks in self._clicks.items()}

    def _most_clicked(self, clicks: Iterable[ClickedAd]) -> tuple[HistoryAd, ...]:
        """What one shopper clicked may be that shopper's taste. Equals: the newest first."""
        counts = Counter(click.ad_id for click in islice(clicks, _CLICKS))
        return tuple(self._ads[ad_id] for ad_id, _ in counts.most_common(_LONGEST))
