"""Whose word it is that an ad was shown.

Whoever may post events can say of any ad that somebody saw it. Of an ad that adloom drew, adloom
knows itself: it logs an exposure with each that it sends, and no other may (`POST /v1/events`
takes none; on Kafka, whoever may write to the topic of exposures is trusted). Of the shop's own
ads adloom sees nothing, so there the shop's impressions tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from adloom.loop.catalogue.creatives.store import SHOP, KnownAd


class AdsKnown(Protocol):
    """A store of ads, such as `CreativeStore`."""

    def known_ads(self, ad_ids: Sequence[str]) -> Mapping[str, KnownAd]:
        """Those of `ad_ids` that were stored, by ad id."""


def believed(events: pd.DataFrame, ads: AdsKnown) -> pd.DataFrame:
    """The events of known ads, less the showings of adloom's own ads that it did not log.

    An impression of an ad that adloom drew is no showing, nor is an exposure that names another
    product than the ad's. ``item_id`` becomes the ad's product: what is learnt from an ad is
    told by the ad's own record, whatever the page said.

    Args:
        events: columns of ``FeatureStore.log.read``.
    """
    known = ads.known_ads(events["ad_id"].dropna().unique().tolist())
    events = events[events["ad_id"].isin(known.keys())]
    products = events["ad_id"].map({ad_id: ad.product_id for ad_id, ad in known.items()})
    drawn = events["ad_id"].isin([ad.ad_id for ad in known.values() if ad.variant != SHOP])
    forged = (events["kind"] == "exposure") & (events["item_id"] != products)
    untrue = drawn & ((events["kind"] == "impression") | forged)
    return events.assign(item_id=products)[~untrue]
