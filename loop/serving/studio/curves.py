"""Click-through over time, a curve a variant, from the event log.

All curves are cut at the same moments, as far apart as the clock says: a burst of showings is short
on the page too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.stats import binomtest

from adloom.loop.learning.labels import label_exposures

_MOST_POINTS = 14
_FEWEST_SHOWN = 20  # of one point, where there are more showings than that; else it joins the next


class CurvePoint(BaseModel):
    """Showings that followed each other, with the 95 % Wilson interval of their rate.

    Attributes:
        at: the mean of their moments.
        since, until: the first and the last.
    """

    at: datetime
    since: datetime
    until: datetime
    shown: int
    clicks: int
    rate: float
    low: float
    high: float


class Curve(BaseModel):
    """How the ads of one variant did.

    Attributes:
        shown: showings whose attribution window is closed; points and clicks are of these.
        open: showings that can still be clicked; nothing is known of them yet.
        points: none while all windows are open.
    """

    variant: str
    shown: int
    open: int
    clicks: int
    points: list[CurvePoint]


def click_through_curves(
    events: pd.DataFrame, attribution: timedelta, until: datetime
) -> list[Curve]:
    """A curve for each variant that was shown, most shown first.

    A variant that adloom serves is judged by adloom's exposures alone: impressions are what a
    page says, of the shop's own ads.

    Args:
        events: columns of `FeatureStore.log.read`.
        attribution: the longest time between showing and click.
        until: as of when, aware: windows that are open then are not judged, or the newest point
            of every curve would be its lowest.
    """
    shown = label_exposures(events, attribution=attribution, until=until)
    served = shown.loc[shown["kind"] == "exposure", "variant"]
    said = (shown["kind"] == "impression") & shown["variant"].isin(served.unique())
    shown = shown[shown["variant"].notna() & ~said]
    shown = shown.assign(closed=shown["shown_at"] + attribution <= until)
    closed = shown.loc[shown["closed"], "shown_at"]
    cuts = np.array([]) if closed.empty else _cuts(_micros(closed))
    curves = [_curve(str(variant), rows, cuts) for variant, rows in shown.groupby("variant")]
    return sorted(curves, key=lambda curve: -curve.shown - curve.open)


def _micros(moments: pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
    """Microseconds since 1970."""
    return np.asarray(moments.dt.as_unit("us"), "datetime64[us]").astype(np.int64)


def _cuts(times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Moments between the first and the last, evenly apart."""
    return np.linspace(times.min(), times.max(), _MOST_POINTS + 1)[1:-1]


def _curve(variant: str, all_rows: pd.DataFrame, cuts: NDArray[np.float64]) -> Curve:
    rows = all_rows[all_rows["closed"]].sort_values("shown_at")
    still_open = len(all_rows) - len(rows)
    if rows.empty:
        return Curve(variant=variant, shown=0, open=still_open, clicks=0, points=[])
    clicked = rows["clicked_at"].notna().to_numpy()
    times = _micros(rows["shown_at"])
    return Curve(
        variant=variant,
        shown=len(rows),
        open=still_open,
        clicks=int(clicked.sum()),
        points=[_point(times[part], clicked[part]) for part in _parts(times, cuts)],
    )


def _parts(times: NDArray[np.int64], cuts: NDArray[np.float64]) -> list[slice]:
    """What lies between two cuts; too little to tell a rate goes with what follows it."""
    starts = [0]
    for place in np.searchsorted(times, cuts, side="right"):
        if place - starts[-1] >= _FEWEST_SHOWN:
            starts.append(int(place))
    if len(starts) > 1 and len(times) - starts[-1] < _FEWEST_SHOWN:
        starts.pop()
    return [slice(*ends) for ends in pairwise([*starts, len(times)])]


def _point(times: NDArray[np.int64], clicked: NDArray[np.bool_]) -> CurvePoint:
    clicks, shown = int(clicked.sum()), len(clicked)
    interval = binomtest(clicks, shown).proportion_ci(0.95, method="wilson")
    mean, first, last = (_moment(time) for time in (times.mean(), times[0], times[-1]))
    return CurvePoint(
        at=mean,
        since=first,
        until=last,
        shown=shown,
        clicks=clicks,
        rate=clicks / shown,
        low=float(interval.low),
        high=float(interval.high),
    )


def _moment(microseconds: float) -> datetime:
    return pd.Timestamp(int(microseconds), unit="us", tz="UTC").to_pydatetime()
