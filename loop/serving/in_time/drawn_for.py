"""What was drawn for whom.

Drawn once more after the same clicks an ad would be no better; and what was drawn for a shopper
tells what the generator reads in their clicks (:class:`adloom.loop.pool.taste.Taste`).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from adloom.loop.pool.taste import DrawnAd
from adloom.loop.serving.in_time.chosen import Found

_KEPT = 65_536  # some 300 bytes each, and up to a KB for the ads of a shopper
_ADS = 4  # of a shopper
_SECONDS = 86_400.0

_Key = tuple[str, str, str, str]  # product, what its ads are made of, what draws, shopper


class DrawnFor:
    """Known for a day, by this server alone: another one may draw one too. For threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, tuple[str, int, float]] = OrderedDict()
        self._ads: OrderedDict[tuple[str, str], tuple[tuple[DrawnAd, float], ...]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, ad_id: str, found: Found) -> None:
        """One was drawn: it is in the pool, or waits for a person's approval."""
        if not found.clicked:
            return
        key, now = _key(found), time.monotonic()
        whose = found.drawn_by, found.request.user_id
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = ad_id, hash(found.clicked), now
            others = self._ads.pop(whose, ())[1 - _ADS :]
            self._ads[whose] = (*others, (DrawnAd(ad_id, len(found.clicked)), now))
            for kept in (self._kept, self._ads):
                while len(kept) > _KEPT:
                    kept.popitem(last=False)

    def drawn(self, found: Found) -> str | None:
        """What was drawn since the shopper's last click on an ad; never anything without one."""
        with self._lock:
            ad_id, clicked, at = self._kept.get(_key(found), ("", None, 0.0))
        same = clicked == hash(found.clicked) and time.monotonic() - at < _SECONDS
        return ad_id if same else None

    def ads(self, drawn_by: str, user_id: str) -> list[DrawnAd]:
        """The last ones that were drawn for a shopper, of any product, newest last."""
        with self._lock:
            known = self._ads.get((drawn_by, user_id), ())
        return [ad for ad, at in known if time.monotonic() - at < _SECONDS]


def _key(found: Found) -> _Key:
    product = found.request.product
    return product.product_id, product.made_of, found.drawn_by, found.request.user_id
