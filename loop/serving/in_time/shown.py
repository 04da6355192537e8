"""Ads that are answered again and again, in memory: what an ad says never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from adloom.loop.catalogue.creatives.store import Creative, CreativeStore

_KEPT = 4_096  # about 2 KB each


class ShownAds:
    """Creatives by ad id, as of a revision; of another one they are read anew. For many threads."""

    def __init__(self, creatives: CreativeStore) -> None:
        self._creatives = creatives
        self._kept: OrderedDict[str, Creative] = OrderedDict()
        self._revision = -1
        self._lock = threading.Lock()

    def get_many(self, ad_ids: Sequence[str], revision: int) -> dict[str, Creative]:
        """Those that exist; ``revision`` grows with what is judged or erased.

        Raises what the store raises.
        """
        with self._lock:
            if revision != self._revision:
                self._kept.clear()
                self._revision = revision
            found = {ad_id: self._kept[ad_id] for ad_id in ad_ids if ad_id in self._kept}
            for ad_id in found:
                self._kept.move_to_end(ad_id)
        if missing := [ad_id for ad_id in ad_ids if ad_id not in found]:
            read = self._creatives.get_many(missing)
            found |= read
            with self._lock:
                if revision == self._revision:
                    self._kept |= read
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found
