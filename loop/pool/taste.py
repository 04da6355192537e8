"""What a shopper's clicks say about which ads they would like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.store import UserHistory
from adloom.loop.pool.looks import Look, Looks

CLICKS = 32
"""The newest clicks that count."""
NEAREST = 3
LIKENESS = 4
"""Numbers that tell how alike an ad is to what was clicked; see `Taste.likeness`."""
_HALVED_AFTER = 16  # clicks: what was clicked since counts more


@dataclass(frozen=True)
class Taste:
    """Looks of the ads that a shopper clicked, newest last.

    Attributes:
        pictures, titles: float32, shape (n, width), of unit length.
        weights: float32, shape (n,), sum 1.
    """

    pictures: NDArray[np.float32]
    titles: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.weights)

    def likeness(self, looks: Sequence[Look]) -> NDArray[np.float32]:
        """Of ads to what was clicked: float32, shape (m, 4), cosines.

        Mean of the pictures' and mean of their nearest three, the same of the titles. Zeros where
        nothing was clicked.
        """
        if not len(self) or not looks:
            return np.zeros((len(looks), LIKENESS), np.float32)
        columns: list[NDArray[np.floating]] = []
        for clicked, seen in (
            (self.pictures, np.stack([look.picture for look in looks])),
            (self.titles, np.stack([look.title for look in looks])),
        ):
            cosines = seen @ clicked.T
            nearest = np.sort(cosines, axis=1)[:, -NEAREST:]
            columns += [cosines @ self.weights, nearest.mean(axis=1)]
        return np.stack(columns, axis=1).astype(np.float32)


def taste_of(history: UserHistory, looks: Looks) -> tuple[Taste, tuple[str, ...]]:
    """The taste that a history tells of, and the ads in it whose looks nobody has made."""
    newest = [ad_id for ad_id in history.newest(CLICKS).ad_ids if ad_id]
    found = looks.of(newest)
    clicked = [found[ad_id] for ad_id in newest if ad_id in found]
    missing = tuple(dict.fromkeys(ad_id for ad_id in newest if ad_id not in found))
    return of_looks(clicked), missing


def of_looks(clicked: Sequence[Look]) -> Taste:
    """The taste of who clicked these, newest last."""
    if not clicked:
        nothing = np.zeros((0, 0), np.float32)
        return Taste(nothing, nothing, np.zeros(0, np.float32))
    age = np.arange(len(clicked))[::-1]
    weights = np.power(0.5, age / _HALVED_AFTER)
    return Taste(
        np.stack([look.picture for look in clicked]),
        np.stack([look.title for look in clicked]),
        (weights / weights.sum()).astype(np.float32),
    )


NOTHING_KNOWN = of_looks(())
"""Of a shopper who clicked nothing, or of whom nothing may be read."""
