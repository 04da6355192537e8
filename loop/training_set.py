"""Clicked ads as training examples: each with what was known of the shopper when it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from feature_store.store import FeatureStore, UserHistory
from loop.ads import brief, representative_ads
from loop.creatives import CreativeStore
from loop.labels import label_exposures
from loop.shop.catalog import load_catalog
from models.brief import Example
from models.retrieval import ItemIndex
from models.settings import Coarse


class FutureLeak(RuntimeError):
    """A training example would hold what was not known yet when its ad was shown."""


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
    """The showings that were clicked, oldest click first; see `loop.labels.label_exposures`.

    Args:
        events: columns ``kind, ts, user_id, item_id, ad_id`` of ``FeatureStore.log.read``.
        attribution: the longest time between exposure and click.
        until: events from then on are as if they had not happened.
    """
    labelled = label_exposures(events, attribution=attribution, until=until)
    clicked = labelled.dropna(subset=["clicked_at"]).sort_values("clicked_at", kind="stable")
    columns = clicked[["ad_id", "user_id", "item_id", "shown_at", "clicked_at"]]
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

    Raises:
        FutureLeak: a history holds a click of when the ad was shown, or later.
    """
    catalog = load_catalog()
    kept = creatives.get_many([click.ad_id for click in clicked])
    usable = [click for click in clicked if click.ad_id in kept and click.item_id in catalog]
    histories = features.history_at([(click.user_id, click.shown_at) for click in usable])
    made = []
    for click, history in zip(usable, histories, strict=True):
        _refuse_leak(click, history)
        product, target = catalog[click.item_id], kept[click.ad_id]
        shown = representative_ads(history, product, index, creatives, history_items, coarse=coarse)
        made.append(Example(brief(product, shown), target.title, target.background_codes))
    return made


def _refuse_leak(click: ClickedAd, history: UserHistory) -> None:
    """A model that has seen the future looks good until it serves: better no round at all."""
    newest = max(history.clicked_at, default=None)
    if newest is not None and newest >= click.shown_at:
        raise FutureLeak(
            f"ad {click.ad_id!r} was shown to {click.user_id!r} at {click.shown_at.isoformat()}, "
            f"the history for it goes to {newest.isoformat()}"
        )
