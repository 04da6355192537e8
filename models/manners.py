"""Vectors of what titles say beside their products (:func:`adloom.models.looks.manner`)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from adloom.models.retrieval import Embed, Vector, Vectors

_KEPT = 20_000
"""Vectors that are kept: 30 MB of MiniLM's."""
_OF_A_WIDTH = "."  # whatever it is, its vector is as wide as the others


class Manners:
    """Makes vectors of manners and keeps the last ones; for several threads at once."""

    def __init__(self, embed: Embed) -> None:
        """``embed`` makes vectors of texts."""
        self._embed = embed
        self._kept: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def vectors(self, manners: Sequence[str]) -> Vectors:
        """Rows ``(n, d)``, at least one; zeros where a title says nothing.

        Raises what ``embed`` does.
        """
        known = self._known([text or _OF_A_WIDTH for text in dict.fromkeys(manners)])
        nothing = np.zeros_like(next(iter(known.values())))
        return np.stack([known[text] if text else nothing for text in manners])

    def _known(self, texts: Sequence[str]) -> dict[str, Vector]:
        with self._lock:
            found = {text: self._kept[text] for text in texts if text in self._kept}
            for text in found:
                self._kept.move_to_end(text)
        new = [text for text in texts if text not in found]
        if new:
            made = dict(zip(new, self._embed(new), strict=True))
            found |= made
            with self._lock:
                self._kept.update(made)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found
