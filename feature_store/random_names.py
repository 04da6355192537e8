"""Some names out of many, each as likely, however often it comes."""

from __future__ import annotations

import hashlib
import heapq
import secrets
from collections.abc import Iterable


class RandomNames:
    """Keeps the names that come first in an order drawn by lot; memory is that of those kept."""

    def __init__(self, most: int) -> None:
        self._most, self._salt = most, secrets.token_bytes(16)
        self._kept: list[tuple[int, str]] = []  # a heap: the last in that order is on top
        self._known: set[str] = set()

    def add(self, names: Iterable[str]) -> None:
        """Names to draw from; they may come again."""
        for name in names:
            digest = hashlib.blake2b(name.encode(), key=self._salt, digest_size=8).digest()
            lot = -int.from_bytes(digest)
            if name in self._known or (len(self._kept) == self._most and lot <= self._kept[0][0]):
                continue
            self._known.add(name)
            heapq.heappush(self._kept, (lot, name))
            if len(self._kept) > self._most:
                self._known.discard(heapq.heappop(self._kept)[1])

    @property
    def names(self) -> list[str]:
        """Those that are kept."""
        return [name for _, name in self._kept]
