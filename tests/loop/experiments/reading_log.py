"""The log of an experiment of twelve days, with shoppers who were there before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop.experiments.assignment import Allocation, assign

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=12)
ITEMS = ("mug", "sofa", "<b odd")
USERS = 400


def log_in(folder: Path, *, lift: float = 0.5, ads: int = 3_000) -> EventLog:
    """Half of the ads before the start, by half of the shoppers; `other` is clicked more often."""
    rng = np.random.default_rng(7)
    eager, even = rng.beta(1.5, 6, USERS), Allocation({"control": 0.5, "other": 0.5})
    events: list[LoggedEvent] = []
    for n in range(2 * ads):
        before = n < ads
        who = int(rng.integers(USERS // 2 if before else USERS))
        user = f"user-{who}"
        dealt = assign("trial", "trial", user, even)
        fields: dict[str, Any] = {
            "user_id": user,
            "item_id": ITEMS[n % len(ITEMS)],
            "topic": "t",
            "partition": 0,
            "ad_id": f"ad-{n}",
            "ts": START + timedelta(days=20 * (n / ads - 1) if before else 12 * (n / ads - 1)),
        }
        own = {"variant": dealt.variant, "propensity": 0.5, "context": json.dumps(dealt.context())}
        kind = "impression" if before else "exposure"
        shown = LoggedEvent(
            kind=kind,  # type: ignore[arg-type]
            event_id=f"e{n}",
            offset=len(events),
            **fields | ({} if before else own),
        )
        events.append(shown)
        rise = 1 + lift if dealt.variant == "other" and not before else 1.0
        if rng.random() < eager[who] * rise:
            at = shown.ts + timedelta(minutes=20)
            events.append(shown._replace(kind="click", event_id=f"c{n}", ts=at, offset=len(events)))
    log = EventLog(folder)
    log.append(events)
    return log


def sell_in(
    log: EventLog, *, lift: float = 2.0, name: str = "purchase", items: tuple[str, ...] = ITEMS
) -> None:
    """Users buy, an hour after their first ad; those of `other` more often."""
    rng = np.random.default_rng(8)
    first = log.read("exposure").drop_duplicates("user_id")
    events = []
    for n, row in enumerate(first.to_dict("records")):
        if rng.random() > 0.3 * (1 + lift if row["variant"] == "other" else 1.0):
            continue
        events.append(
            LoggedEvent(
                kind="outcome",
                event_id=f"s{n}",
                user_id=row["user_id"],
                item_id=items[n % len(items)],
                topic="sales",
                partition=0,
                offset=n,
                ts=row["ts"] + timedelta(hours=1),
                extra=json.dumps({"name": name, "value": rng.lognormal(3, 0.4)}),
            )
        )
    log.append(events)
