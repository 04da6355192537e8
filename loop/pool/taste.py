"""What a shopper's clicks say about which ads they would like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.store import UserHistory
from adloom.loop.pool.looks import Look, Looks
from adloom.models.agreement import LOOK_SHARPNESS, TITLE_SHARPNESS, agreement

CLICKS = 64
"""The newest clicks that count."""
LIKENESS = 2
"""Numbers that tell how alike an ad is to what was clicked; see `Taste.likeness`."""
_LEAST = 1e-4  # of a density: an ad is like nothing that was clicked
_HALVED_AFTER = 32  # clicks: what was clicked since counts more


@dataclass(frozen=True)
class Taste:
    """Looks of the ads that a shopper clicked, newest last.

    Attributes:
        pictures, titles: float32, shape (n, width), of unit length.
        picture_weights, title_weights: how far others agree with each, float32, shape (n,), sum 1.
    """

    pictures: NDArray[np.float32]
    titles: NDArray[np.float32]
    picture_weights: NDArray[np.float32]
    title_weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.picture_weights)

    def likeness(self, looks: Sequence[Look]) -> NDArray[np.float32]:
        """How densely the clicks lie around ads: float32, shape (m, 2), logs of at most about 0.

        By picture and by title. Zeros where nothing was clicked.
        """
        if not len(self) or not looks:
            return np.zeros((len(looks), LIKENESS), np.float32)
        pictures = np.stack([look.picture for look in looks])
        titles = np.stack([look.title for look in looks])
        by_picture = _density(pictures, self.pictures, self.picture_weights, LOOK_SHARPNESS)
        by_title = _density(titles, self.titles, self.title_weights, TITLE_SHARPNESS)
        return np.stack([by_picture, by_title], axis=1)


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
        nothing, none = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
        return Taste(nothing, nothing, none, none)
    pictures = np.stack([look.picture for look in clicked])
    titles = np.stack([look.title for look in clicked])
    prior = np.power(0.5, np.arange(len(clicked))[::-1] / _HALVED_AFTER).astype(np.float32)
    return Taste(
        pictures,
        titles,
        _agreed(pictures, prior, LOOK_SHARPNESS),
        _agreed(titles, prior, TITLE_SHARPNESS),
    )


def _agreed(
    vectors: NDArray[np.float32], prior: NDArray[np.float32], sharpness: float
) -> NDArray[np.float32]:
    """Weights of clicks by how far the others agree with each, shape (n,), sum 1."""
    kernel = agreement(vectors, sharpness)
    others = np.where(np.eye(len(kernel), dtype=bool), 0.0, kernel)
    weights = prior * (others @ prior / prior.sum() + _LEAST)
    return (weights / weights.sum()).astype(np.float32)


def _density(
    seen: NDArray[np.float32],
    clicked: NDArray[np.float32],
    weights: NDArray[np.float32],
    sharpness: float,
) -> NDArray[np.float32]:
    """How densely clicks lie around each of what is seen: logs, shape (m,)."""
    kernels = np.exp(sharpness * (seen @ clicked.T - 1))
    return np.log(kernels @ weights + _LEAST).astype(np.float32)


NOTHING_KNOWN = of_looks(())
"""Of a shopper who clicked nothing, or of whom nothing may be read."""
