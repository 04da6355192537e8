"""What a shopper's clicks say about which ads they would like.

What was drawn for them counts beside the clicks: the generator has read all of the history for it,
so that one drawing says more of a taste than one click among six.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.store import UserHistory
from adloom.loop.pool.looks import Look, LookArrays, Looks
from adloom.models.agreement import TITLE_SHARPNESS, agreement

CLICKS = 64
"""The newest clicks that count."""
LIKENESS = 2
"""Numbers that tell how alike an ad is to what was clicked; see `Taste.likeness`."""
_LOOK_SHARPNESS = 20.0
_KEPT = 512  # tastes in memory: up to 130 KB each
_LEAST = 1e-4  # of a density: an ad is like nothing that was clicked
_HALVED_AFTER = 32  # clicks: what was clicked since counts more
_OF_A_DRAWING = 2.0  # clicks, as which it counts while no more were made


class DrawnAd(NamedTuple):
    """An ad that was drawn for a shopper who had made so many clicks on ads."""

    ad_id: str
    clicks: int


@dataclass(frozen=True)
class Taste:
    """Looks of the ads that a shopper clicked, newest last, and of those drawn for them.

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

    def likeness(self, looks: LookArrays) -> NDArray[np.float32]:
        """How densely the clicks lie around m ads: float32, shape (m, 2), logs of at most about 0.

        By picture and by title. Zeros where nothing was clicked.
        """
        if not len(self) or not len(looks):
            return np.zeros((len(looks), LIKENESS), np.float32)
        by_picture = _density(looks.pictures, self.pictures, self.picture_weights, _LOOK_SHARPNESS)
        by_title = _density(looks.titles, self.titles, self.title_weights, TITLE_SHARPNESS)
        return np.stack([by_picture, by_title], axis=1)


class Tastes:
    """What histories tell of, known for who asks again without a new click. For threads."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._kept: OrderedDict[tuple[tuple[str, ...], tuple[DrawnAd, ...]], Taste] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self, history: UserHistory, drawn: Sequence[DrawnAd] = ()
    ) -> tuple[Taste, tuple[str, ...], tuple[str, ...]]:
        """The taste, the clicked ads that it is of, and those whose looks nobody has made.

        Args:
            drawn: for this shopper; without a clicked ad they say nothing.
        """
        newest = [ad_id for ad_id in history.newest(CLICKS).ad_ids if ad_id]
        found = self._looks.of([*newest, *(ad.ad_id for ad in drawn)])
        clicked = tuple(ad_id for ad_id in newest if ad_id in found)
        missing = tuple(dict.fromkeys(ad_id for ad_id in newest if ad_id not in found))
        read = tuple(ad for ad in drawn if ad.ad_id in found and ad.ad_id not in clicked)
        key = clicked, read
        with self._lock:
            taste = self._kept.pop(key, None)
        if taste is None:
            taste = of_looks(
                [found[ad_id] for ad_id in clicked],
                [(found[ad.ad_id], len(clicked) - ad.clicks) for ad in read],
            )
        with self._lock:
            self._kept[key] = taste
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return taste, clicked, missing


def of_looks(clicked: Sequence[Look], drawn: Sequence[tuple[Look, int]] = ()) -> Taste:
    """The taste of who clicked these, newest last.

    Args:
        drawn: looks of ads that were drawn for them, and how many clicks were made since.
    """
    if not clicked:
        nothing, none = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
        return Taste(nothing, nothing, none, none)
    looks = LookArrays.of([*clicked, *(look for look, _ in drawn)])
    since = [*reversed(range(len(clicked))), *(max(0, clicks) for _, clicks in drawn)]
    prior = np.power(0.5, np.array(since) / _HALVED_AFTER).astype(np.float32)
    prior[len(clicked) :] *= _OF_A_DRAWING
    return Taste(
        looks.pictures,
        looks.titles,
        _agreed(looks.pictures, prior, _LOOK_SHARPNESS),
        _agreed(looks.titles, prior, TITLE_SHARPNESS),
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
    # Not by BLAS, whose small products warn of values that are none of these.
    return np.log((kernels * weights).sum(axis=1) + _LEAST).astype(np.float32)


NOTHING_KNOWN = of_looks(())
"""Of a shopper who clicked nothing, or of whom nothing may be read."""
