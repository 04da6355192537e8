"""What each arm tells the generator of a record's shopper.

Product, seed and everything else are the same in all of them.
"""

from __future__ import annotations

import zlib

import numpy as np

from adloom.models.brief import HistoryAd
from adloom.models.datasets.record import AdRecord

ARMS = ("no_history", "random_history", "full", "no_fine", "other_shopper")
"""Nothing; clicked ads at random; those that are like the product, as the paper draws them; the
same with all their tokens kept; ads of somebody else at random."""


def history(
    arm: str, record: AdRecord, other: AdRecord | None, k: int, *, seed: int = 0
) -> tuple[HistoryAd, ...]:
    """At most ``k`` clicked ads that ``arm`` shows the generator for a record.

    A title that is to be written is never among them. ``other`` is a record of another shopper;
    without one that arm is told nothing.
    """
    rng = np.random.default_rng([seed, zlib.crc32(record.record_id.encode())])
    if arm == "random_history":
        return _at_random(record, record, k, rng)
    if arm == "other_shopper":
        return () if other is None else _at_random(other, record, k, rng)
    if arm == "no_history":
        return ()
    return record.representing(k, rng)


def _at_random(
    whose: AdRecord, record: AdRecord, k: int, rng: np.random.Generator
) -> tuple[HistoryAd, ...]:
    """Ads of a history, none more likely than others, in the order of their time."""
    wanted = {title.strip() for title in record.titles}
    ads = [ad for ad in whose.history if ad.title.strip() not in wanted]
    chosen = sorted(rng.permutation(len(ads))[:k].tolist())
    return tuple(ads[place] for place in chosen)
