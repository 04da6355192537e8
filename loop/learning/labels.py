"""Clicks joined to the exposures they answer: what became of every ad that was shown.

After the online joiner of Monolith (Liu et al., 2022, arXiv 2209.07663): an exposure is kept
until its click comes or its window closes, and what it is labelled with is known from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from adloom.feature_store.event_log import EventKind

_KEYS = ["user_id", "ad_id"]
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
    events = events[events["ad_id"].fillna("") != ""]
    if until is not None:
        events = events[events["ts"] < until]
    clicks = events.loc[events["kind"] == "click", [*_KEYS, "ts"]]
    shown = _showings(events[events["kind"].isin(kinds)])
    window = pd.Timedelta(attribution)
    joined = pd.merge_asof(
        clicks.rename(columns={"ts": "clicked_at"}).sort_values("clicked_at"),
        shown[[*_KEYS, "shown_at", "showing"]],
        left_on="clicked_at",
        right_on="shown_at",
        by=_KEYS,
        tolerance=window,
    ).dropna(subset=["showing"])
    first = joined.drop_duplicates("showing").set_index("showing")["clicked_at"]
    labelled = shown.assign(clicked_at=shown["showing"].map(first)).drop(columns="showing")
    closes_at = labelled["shown_at"] + window
    return labelled.assign(labelled_at=labelled["clicked_at"].fillna(closes_at))


def unshown_clicks(events: pd.DataFrame, *, since: datetime | None = None, until: datetime) -> int:
    """How many clicks on ads answer no showing: their shopper was not shown the ad before.

    Args:
        events: as for `label_exposures`.
        since: clicks before this do not count.
        until: nor do clicks from then on.
    """
    events = events[(events["ad_id"].fillna("") != "") & (events["ts"] < until)]
    first = events[events["kind"].isin(_SHOWN)].groupby(_KEYS, as_index=False)["ts"].min()
    clicks = events[events["kind"] == "click"]
    if since is not None:
        clicks = clicks[clicks["ts"] >= since]
    answered = clicks.merge(first, on=_KEYS, suffixes=("", "_shown"))
    return len(clicks) - int((answered["ts_shown"] <= answered["ts"]).sum())


def _showings(shown: pd.DataFrame) -> pd.DataFrame:
    """Numbered in the order of time; the page's word of an exposure is left out."""
    exposed = pd.MultiIndex.from_frame(shown.loc[shown["kind"] == "exposure", _KEYS])
    echo = (shown["kind"] == "impression") & pd.MultiIndex.from_frame(shown[_KEYS]).isin(exposed)
    shown = shown[~echo].rename(columns={"ts": "shown_at"})
    # At the same moment a user can be shown an ad once.
    shown = shown.sort_values("shown_at", kind="stable").drop_duplicates([*_KEYS, "shown_at"])
    return shown.assign(showing=np.arange(len(shown))).reset_index(drop=True)
