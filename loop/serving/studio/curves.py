"""Click-through over time, a curve a variant, from the event log."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.stats import binomtest

from adloom.loop.learning.labels import label_exposures

_MOST_POINTS = 14
_FEWEST_SHOWN = 20  # of one point, where there are more showings than that


class CurvePoint(BaseModel):
    """Showings that followed each other, with the 95 % Wilson interval of their rate."""

    at: datetime
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
    curves = [_curve(str(variant), rows) for variant, rows in shown.groupby("variant")]
    return sorted(curves, key=lambda curve: -curve.shown - curve.open)


def _curve(variant: str, all_rows: pd.DataFrame) -> Curve:
    rows = all_rows[all_rows["closed"]]
    still_open = len(all_rows) - len(rows)
    if rows.empty:
        return Curve(variant=variant, shown=0, open=still_open, clicks=0, points=[])
    clicked = rows["clicked_at"].notna().to_numpy()
    times = rows["shown_at"].dt.as_unit("us").astype("int64").to_numpy()
    parts = min(_MOST_POINTS, max(1, len(rows) // _FEWEST_SHOWN))
    points = [
        _point(times[part], clicked[part]) for part in np.array_split(np.arange(len(rows)), parts)
    ]
    return Curve(
        variant=variant,
        shown=len(rows),
        open=still_open,
        clicks=int(clicked.sum()),
        points=points,
    )


def _point(times: np.ndarray, clicked: np.ndarray) -> CurvePoint:
    clicks, shown = int(clicked.sum()), len(clicked)
    interval = binomtest(clicks, shown).proportion_ci(0.95, method="wilson")
    return CurvePoint(
        at=pd.Timestamp(int(times.mean()), unit="us", tz="UTC").to_pydatetime(),
        shown=shown,
        clicks=clicks,
        rate=clicks / shown,
        low=float(interval.low),
        high=float(interval.high),
    )
