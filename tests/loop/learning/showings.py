"""Ads of a shop and of adloom, and logs of who was shown and clicked them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from adloom.feature_store.event_log import EventKind, LoggedEvent
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from tests.loop_parts import keep_shop_ads

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
Row = tuple[EventKind, float, str, Creative]


def keep_drawn_ads(creatives: CreativeStore, n: int) -> list[Creative]:
    """Ads as adloom keeps those that it drew."""
    ads = [
        replace(ad, ad_id=f"drawn-{number}", variant="champion", version="1")
        for number, ad in enumerate(keep_shop_ads(creatives, n))
    ]
    creatives.add(ads)
    return ads


def event(row: Row, number: int, **more: Any) -> LoggedEvent:
    """An event of a kind, minutes after noon, of a user and an ad."""
    kind, minutes, user, ad = row
    ts = NOON + timedelta(minutes=minutes)
    told: dict[str, Any] = {"item_id": ad.product_id, "ad_id": ad.ad_id} | more
    return LoggedEvent(
        kind, f"e{number}", ts, user, topic=f"adloom.{kind}s", partition=0, offset=number, **told
    )


def frame(events: Sequence[LoggedEvent]) -> pd.DataFrame:
    """Events as the log reads them."""
    table = pd.DataFrame(events, columns=LoggedEvent._fields)
    return table.assign(ts=pd.to_datetime(table["ts"], utc=True))


def logged(*rows: Row) -> pd.DataFrame:
    """A log of rows."""
    return frame([event(row, number) for number, row in enumerate(rows)])


def shown_and_clicked(
    how: EventKind, ads: Sequence[Creative], users: Sequence[str], first: float = 0.0
) -> list[Row]:
    """One user after the other is shown the next ad and clicks it, a click every minute."""
    rows: list[Row] = []
    for number, user in enumerate(users):
        ad = ads[number % len(ads)]
        rows += [(how, first + number, user, ad), ("click", first + number + 0.5, user, ad)]
    return rows
