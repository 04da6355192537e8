"""Whose clicks an ad was drawn for: drawn once more after the same ones it would be no better."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from adloom.loop.serving.in_time.chosen import Found

_KEPT = 65_536  # some 300 bytes each
_SECONDS = 86_400.0

_Key = tuple[str, str, str, str]  # product, what its ads are made of, what draws, shopper


class DrawnFor:
    """Known for a day, by this server alone: another one may draw one too. For threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, found: Found) -> None:
        """One was drawn, and is in the pool."""
        key, now = _key(found), time.monotonic()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = hash(found.clicked), now
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def knows(self, found: Found) -> bool:
        """Whether one was drawn since the shopper's last click on an ad; never without any."""
        with self._lock:
            clicked, at = self._kept.get(_key(found), (None, 0.0))
        same = bool(found.clicked) and clicked == hash(found.clicked)
        return same and time.monotonic() - at < _SECONDS


def _key(found: Found) -> _Key:
    product = found.request.product
    return product.product_id, product.made_of, found.drawn_by, found.request.user_id
