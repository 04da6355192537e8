"""Shown ads as training examples: each with what was known of the shopper when it was shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd

from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop.catalogue.briefs import brief
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.product import Product
from adloom.loop.learning.labels import label_exposures
from adloom.loop.learning.target_codes import TargetCodes
from adloom.models.brief import Example
from adloom.models.settings import Coarse
from adloom.models.titles.rules import TitleRules


class FutureLeak(RuntimeError):
    """A training example would hold what was not known yet when its ad was shown."""


@dataclass(frozen=True)
class ShownAd:
    """A showing of an ad. The time is aware, UTC; the position is that on its page, from 0 at the
    top, where it is known."""

    ad_id: str
    user_id: str
    item_id: str
    shown_at: datetime
    position: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class ClickedAd(ShownAd):
    """A showing that was clicked."""

    clicked_at: datetime


_SHOWN = ["ad_id", "user_id", "item_id", "shown_at"]


def clicked_ads(
    events: pd.DataFrame, *, attribution: timedelta, until: datetime | None = None
) -> list[ClickedAd]:
    """The showings that were clicked, oldest click first; see
    `adloom.loop.learning.labels.label_exposures`.

    Args:
        events: columns ``kind, ts, user_id, item_id, ad_id`` of ``FeatureStore.log.read``, and
            perhaps ``position``.
        attribution: the longest time between exposure and click.
        until: events from then on are as if they had not happened.
    """
    return clicked_among(label_exposures(events, attribution=attribution, until=until))


def clicked_among(shown: pd.DataFrame) -> list[ClickedAd]:
    """As `clicked_ads`, of what `label_exposures` found."""
    clicked = shown.dropna(subset=["clicked_at"]).sort_values("clicked_at", kind="stable")
    rows = clicked[[*_SHOWN, "clicked_at"]].itertuples(index=False, name=None)
    return [ClickedAd(*row, position=at) for row, at in zip(rows, _positions(clicked), strict=True)]


def left_among(shown: pd.DataFrame) -> list[ShownAd]:
    """The showings without a click so far, oldest first; some may yet be clicked.

    Args:
        shown: what `label_exposures` found.
    """
    left = shown[shown["clicked_at"].isna()]
    rows = left[_SHOWN].itertuples(index=False, name=None)
    return [ShownAd(*row, position=at) for row, at in zip(rows, _positions(left), strict=True)]


def _positions(shown: pd.DataFrame) -> list[int | None]:
    """Of each showing; a log of before may have no such column."""
    if "position" not in shown:
        return [None] * len(shown)
    return [None if pd.isna(position) else int(position) for position in shown["position"]]


def never_clicked(
    left: Sequence[ShownAd], *, attribution: timedelta, until: datetime
) -> list[ShownAd]:
    """Those of `left_among` that stayed without a click to the end of their window.

    Showings whose window is still open at ``until`` may yet be clicked: they are left out.
    """
    return [ad for ad in left if ad.shown_at + attribution < until]


def examples(
    shown: Sequence[ShownAd],
    features: FeatureStore,
    past_ads: PastAds,
    targets: TargetCodes,
    *,
    history_items: int,
    coarse: Coarse = "representative",
    seen_weight: float = 0.0,
    titles: Callable[[Product], TitleRules],
    constrained: bool = True,
) -> list[Example | None]:
    """Training examples of ads; the history is the one known when the ad was shown.

    ``titles`` tells what the titles of a product may say; where it is ``constrained``, what is
    drawn for an example is held to that.

    ``None`` stands for an ad that the creative store or the catalogue does not know, for one that
    is banned, for one that shows its product's whole picture, since nothing of it was drawn, and
    for one of which ``targets`` has nothing.

    Raises:
        FutureLeak: a history holds a click of when the ad was shown, or later.
    """
    products = past_ads.catalogue.find(ad.item_id for ad in shown)
    kept = past_ads.creatives.get_many([ad.ad_id for ad in shown])
    codes = targets.of(list(kept.values()))
    histories = features.history_at([(ad.user_id, ad.shown_at) for ad in shown])
    made: list[Example | None] = []
    for ad, history in zip(shown, histories, strict=True):
        product, target = products.get(ad.item_id), kept.get(ad.ad_id)
        drawn = codes.get(ad.ad_id)
        if product is None or target is None or drawn is None or not product.cutout_name:
            made.append(None)
            continue
        if target.state == "banned":
            made.append(None)
            continue
        refuse_leak(f"ad {ad.ad_id!r} was shown", ad.shown_at, history)
        past = past_ads.representing(
            history, product, history_items, coarse=coarse, seen_weight=seen_weight
        )
        told = brief(product, past, titles(product), constrained=constrained)
        made.append(Example(told, target.title, drawn))
    return made


def refuse_leak(told: str, at: datetime, history: UserHistory) -> None:
    """A model that has seen the future looks good until it serves: better no round at all.

    Args:
        told: what happened at ``at``, for the message.

    Raises:
        FutureLeak: the history goes on to then, or beyond.
    """
    newest = max(history.clicked_at, default=None)
    if newest is not None and newest >= at:
        raise FutureLeak(
            f"{told} at {at.isoformat()}, the history for it goes to {newest.isoformat()}"
        )
