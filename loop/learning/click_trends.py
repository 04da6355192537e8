"""What everybody clicked in a category of late, as it stood at any moment."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.learning.shares import share_of_one
from adloom.loop.learning.training_set import ClickedAd
from adloom.loop.settings.learning import MAX_USER_SHARE
from adloom.models.brief import HistoryAd

_LONGEST = 10
"""A prompt has no room for more ads."""
_CLICKS = 20
"""Of which the ads that were clicked most are taken."""


class ClickTrends:
    """Clicked ads by the category of their product.

    What one shopper clicked may be that shopper's taste: a shopper has one voice for an ad,
    however often it was clicked, and no more than a share of all the voices.
    """

    def __init__(
        self,
        clicked: Sequence[ClickedAd],
        past_ads: PastAds,
        max_user_share: float = MAX_USER_SHARE,
    ) -> None:
        """Look up the ads of ``clicked``; those that adloom does not know tell nothing.

        ``max_user_share``: see `adloom.loop.learning.shares.share_of_one`.
        """
        products = past_ads.catalogue.find(click.item_id for click in clicked)
        found = past_ads.creatives.get_many([click.ad_id for click in clicked])
        self._ads = {
            ad_id: HistoryAd(found[ad_id].title, codes, ad_id)
            for ad_id, codes in past_ads.codes_of(list(found.values())).items()
        }
        self._share = max_user_share
        self._clicks: dict[str, list[ClickedAd]] = {}  # oldest first
        self._users: dict[str, list[int]] = {}  # how many there were up to each click
        for click in sorted(clicked, key=lambda c: c.clicked_at):
            if click.ad_id in self._ads and click.item_id in products:
                self._clicks.setdefault(products[click.item_id].category, []).append(click)
        for category, clicks in self._clicks.items():
            known: set[str] = set()
            numbers = self._users[category] = []
            for click in clicks:
                known.add(click.user_id)
                numbers.append(len(known))

    def before(self, category: str, moment: datetime, besides: str) -> tuple[HistoryAd, ...]:
        """The ads that were clicked most of late before ``moment``, those first.

        The ad ``besides`` is left out: to learn it from its own picture is to learn to copy.
        """
        clicks = self._clicks.get(category, [])
        end = bisect_left(clicks, moment, key=lambda click: click.clicked_at)
        return self._most_clicked(category, end, besides)

    def now(self) -> dict[str, tuple[HistoryAd, ...]]:
        """The ads of every category that were clicked most of late, those first."""
        return {
            category: self._most_clicked(category, len(clicks))
            for category, clicks in self._clicks.items()
        }

    def _most_clicked(self, category: str, end: int, besides: str = "") -> tuple[HistoryAd, ...]:
        """Of the clicks before the one at ``end``. Equals: the newest first."""
        if not end:
            return ()
        share = share_of_one(self._users[category][end - 1], self._share)
        most = max(1, int(share * _CLICKS))
        heard: set[tuple[str, str]] = set()
        of_user: Counter[str] = Counter()
        voices: Counter[str] = Counter()
        for position in range(end - 1, -1, -1):
            click = self._clicks[category][position]
            voice = click.user_id, click.ad_id
            if click.ad_id == besides or voice in heard or of_user[click.user_id] == most:
                continue
            heard.add(voice)
            of_user[click.user_id] += 1
            voices[click.ad_id] += 1
            if len(heard) == _CLICKS:
                break
        return tuple(self._ads[ad_id] for ad_id, _ in voices.most_common(_LONGEST))
