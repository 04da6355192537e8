"""The shop's click log: shoppers who like one scene and one tone, and click by that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.shops.maker.ads import ShopAd
from tests.shops.maker.copy import TONES
from tests.shops.maker.scenes import SCENES
from tests.shops.maker.tables import BadRow, Expected, write_table

SHOPPERS = 40
_ROWS = 1_500
_FIRST = datetime(2026, 1, 5, tzinfo=UTC)
_DAYS = 42
_SHARE_OF_OWN_LOOK = 0.3  # of what is shown, how much is picked to the shopper's taste
_SHARE_WITHOUT_AD = 0.12
_SHARE_OF_FORGOTTEN_ADS = 0.04


def taste(shopper: int) -> tuple[str, str]:
    """The scene and the tone that a shopper likes; two shoppers share each pair."""
    return SCENES[shopper % len(SCENES)], TONES[shopper // len(SCENES) % len(TONES)]


def click_log(ads: Sequence[ShopAd], seed: int = 7) -> tuple[str, list[Expected]]:
    """The log, an impression a row, in order of time; bad rows last."""
    rng = np.random.default_rng(seed)
    moments = np.sort(rng.integers(0, _DAYS * 24 * 3600 * 1000, _ROWS))
    rows = []
    for moment in moments:
        shopper = int(rng.integers(SHOPPERS))
        ad = _shown(ads, shopper, rng)
        style, tone = taste(shopper)
        chance = 0.06 + 0.36 * (ad.style == style) + 0.36 * (ad.tone == tone)
        when = _FIRST + timedelta(milliseconds=int(moment))
        rows.append(
            {
                "zeit": str(int(when.timestamp() * 1000)),
                "kunde": f"kd-{shopper + 1:03d}",
                "artikel": ad.article.id,
                "anzeige": _named(ad, rng),
                "geklickt": str(int(rng.random() < chance)),
                "platz": str(int(rng.integers(6))),
            }
        )
    good = rows[-1]
    bad = [
        BadRow({**good, "zeit": "gestern"}, "ts"),
        BadRow({**good, "kunde": ""}, "user_id"),
        BadRow({**good, "geklickt": "vielleicht"}, "click"),
    ]
    return write_table(rows, bad, id_column="kunde", separator=",")


def _shown(ads: Sequence[ShopAd], shopper: int, rng: np.random.Generator) -> ShopAd:
    if rng.random() < _SHARE_OF_OWN_LOOK:
        liked = [ad for ad in ads if (ad.style, ad.tone) == taste(shopper)]
        return liked[int(rng.integers(len(liked)))]
    return ads[int(rng.integers(len(ads)))]


def _named(ad: ShopAd, rng: np.random.Generator) -> str:
    """The ad as the log names it: at times not at all, or one that the shop has no more."""
    chance = rng.random()
    if chance < _SHARE_WITHOUT_AD:
        return ""
    if chance < _SHARE_WITHOUT_AD + _SHARE_OF_FORGOTTEN_ADS:
        return f"alt-{int(rng.integers(10)):03d}"
    return ad.ad_id
