"""Clicks joined to the exposures they answer: what became of every ad that was shown.

After the online joiner of Monolith (Liu et al., 2022, arXiv 2209.07663): an exposure is kept
until its click comes or its window closes, and what it is labelled with is known from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventKind

_MICROSECOND = timedelta(microseconds=1)
_SHOWN: tuple[EventKind, ...] = ("exposure", "impression")


def label_exposures(
    events: pd.DataFrame,
    *,
    attribution: timedelta,
    until: datetime | None = None,
    kinds: Sequence[EventKind] = _SHOWN,
) -> pd.DataFrame:
    """Every showing of an ad, labelled once, oldest first.

    A click belongs to the last time its shopper was shown its ad, at most ``attribution`` earlier,
    however late the click's event came; the first click of a showing labels it. An impression of
    an ad that the shopper has an exposure of is the page's own word of it: one showing.

    Args:
        events: columns of `FeatureStore.log.read`; at least ``kind, ts, user_id, item_id, ad_id``.
        attribution: the longest time between showing and click.
        until: events from then on are as if they had not happened.
        kinds: what counts as a showing.

    Returns:
        The showings' columns, with ``ts`` as ``shown_at``, and: ``clicked_at``, missing where no
        click is known; ``labelled_at``, the moment from which the label may be used: the click's,
        or the end of the window where there was none (it may lie after ``until``: still open).
    """
    events = _of_ads(events, until)
    pair, at = _pairs(events), _microseconds(events["ts"])
    showing = _showings(events, pair, at, kinds)
    clicks = np.flatnonzero(events["kind"] == "click")
    clicks = clicks[np.argsort(at[clicks], kind="stable")]
    moment = np.unique(at, return_inverse=True)[1] + pair * (len(at) + 1)
    answered = _last_before(moment[showing], moment[clicks])
    clicks, answered = clicks[answered >= 0], answered[answered >= 0]
    counts = pair[showing[answered]] == pair[clicks]
    counts &= at[clicks] - at[showing[answered]] <= attribution // _MICROSECOND
    clicks, answered = clicks[counts], answered[counts]
    shown = events.iloc[showing].rename(columns={"ts": "shown_at"}).reset_index(drop=True)
    first, places = np.unique(answered, return_index=True)
    clicked_at = events["ts"].iloc[clicks[places]].set_axis(first).reindex(shown.index)
    closes_at = shown["shown_at"] + pd.Timedelta(attribution)
    return shown.assign(clicked_at=clicked_at, labelled_at=clicked_at.fillna(closes_at))


def unshown_clicks(events: pd.DataFrame, *, since: datetime | None = None, until: datetime) -> int:
    """How many clicks on ads answer no showing: their shopper was not shown the ad before.

    Args:
        events: as for `label_exposures`.
        since: clicks before this do not count.
        until: nor do clicks from then on.
    """
    events = _of_ads(events, until)
    pair, at = _pairs(events), _microseconds(events["ts"])
    shown = events["kind"].isin(_SHOWN).to_numpy(bool)
    first = np.full(len(events), np.iinfo(np.int64).max)
    np.minimum.at(first, pair[shown], at[shown])
    counts = (events["kind"] == "click").to_numpy(bool)
    if since is not None:
        counts &= (events["ts"] >= since).to_numpy(bool)
    return int((first[pair[counts]] > at[counts]).sum())


def _of_ads(events: pd.DataFrame, until: datetime | None) -> pd.DataFrame:
    known = events["ad_id"].fillna("") != ""
    return events[known if until is None else known & (events["ts"] < until)]


def _pairs(events: pd.DataFrame) -> NDArray[np.int64]:
    """Each shopper with each ad has a number; shape (n,)."""
    user, _ = pd.factorize(events["user_id"])
    ad, ads = pd.factorize(events["ad_id"])
    return pd.factorize(user.astype(np.int64) * max(1, len(ads)) + ad)[0].astype(np.int64)


def _microseconds(times: pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
    return np.asarray(times.dt.as_unit("us"), "datetime64[us]").astype(np.int64)


def _showings(
    events: pd.DataFrame, pair: NDArray[np.int64], at: NDArray[np.int64], kinds: Sequence[str]
) -> NDArray[np.int64]:
    """Their places, in the order of time; the page's word of an exposure is left out."""
    kind = events["kind"]
    shown = kind.isin(kinds).to_numpy(bool)
    exposed = np.zeros(len(events), bool)
    exposed[pair[shown & (kind == "exposure").to_numpy(bool)]] = True
    shown &= ~((kind == "impression").to_numpy(bool) & exposed[pair])
    places = np.flatnonzero(shown)
    places = places[np.argsort(at[places], kind="stable")]
    # At the same moment a user can be shown an ad once.
    again = pd.DataFrame({"pair": pair[places], "at": at[places]}).duplicated().to_numpy(bool)
    return places[~again]


def _last_before(showings: NDArray[np.int64], clicks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of the last showing that is not after each click, of numbers; -1 where none is."""
    order = np.argsort(showings, kind="stable")
    place = np.searchsorted(showings[order], clicks, side="right") - 1
    return np.append(order, -1)[place].astype(np.int64)
