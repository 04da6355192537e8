"""Clicked ads as training examples: each with what was known of the shopper when it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from feature_store.store import FeatureStore
from loop.ads import brief, representative_ads
from loop.creatives import CreativeStore
from loop.shop.catalog import load_catalog
from models.brief import Example
from models.retrieval import ItemIndex
from models.settings import Coarse


@dataclass(frozen=True)
class ClickedAd:
    """An exposure that was clicked. Both times are aware, UTC."""

    ad_id: str
    user_id: str
    item_id: str
    shown_at: datetime
    clicked_at: datetime


def clicked_ads(
    events: pd.DataFrame, *, attribution: timedelta, until: datetime | None = None
) -> list[ClickedAd]:
    """Join clicks to the exposures they answer, oldest click first.

    A click belongs to the last time its shopper was shown its ad, at most ``attribution``
    earlier; an exposure is labelled by its first click only.

    Args:
        events: columns ``kind, ts, user_id, item_id, ad_id`` of ``FeatureStore.log.read``.
        attribution: the longest time between exposure and click.
        until: events from then on are as if they had not happened.
    """
    events = events[events["ad_id"].fillna("") != ""]
    if until is not None:
        events = events[events["ts"] < until]
    keys = ["user_id", "ad_id"]
    is_click = events["kind"] == "click"
    shown = events.loc[~is_click, [*keys, "item_id", "ts"]].rename(columns={"ts": "shown_at"})
    clicks = events.loc[is_click, [*keys, "ts"]].rename(columns={"ts": "clicked_at"})
    if shown.empty or clicks.empty:
        return []
    joined = pd.merge_asof(
        clicks.sort_values("clicked_at"),
        shown.sort_values("shown_at"),
        left_on="clicked_at",
        right_on="shown_at",
        by=keys,
        tolerance=pd.Timedelta(attribution),
    ).dropna(subset=["shown_at"])
    first = joined.drop_duplicates([*keys, "shown_at"]).sort_values("clicked_at", kind="stable")
    columns = first[["ad_id", "user_id", "item_id", "shown_at", "clicked_at"]]
    return [ClickedAd(*row) for row in columns.itertuples(index=False, name=None)]


def examples(
    clicked: Sequence[ClickedAd],
    features: FeatureStore,
    creatives: CreativeStore,
    index: ItemIndex,
    *,
    history_items: int,
    coarse: Coarse = "representative",
) -> list[Example]:
    """Training examples of clicked ads; the history is the one known when the ad was shown.

    Ads that the creative store or the catalogue does not know are left out.
    """
    catalog = load_catalog()
    kept = creatives.get_many([click.ad_id for click in clicked])
    usable = [click for click in clicked if click.ad_id in kept and click.item_id in catalog]
    histories = features.history_at([(click.user_id, click.shown_at) for click in usable])
    made = []
    for click, history in zip(usable, histories, strict=True):
        product, target = catalog[click.item_id], kept[click.ad_id]
        shown = representative_ads(history, product, index, creatives, history_items, coarse=coarse)
        made.append(Example(brief(product, shown), target.title, target.background_codes))
    return made
