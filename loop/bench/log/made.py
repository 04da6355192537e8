"""A log of a shop with steady traffic, of any length, ending at a fixed moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.progress import last_of

END = datetime(2026, 1, 1, tzinfo=UTC)
"""The first moment after the log."""
EVENTS_A_DAY = 2_500
EXPERIMENT, ARMS = "bench", ("plain", "personal")
USERS = 2_000
"""Shoppers of a month; those of the next are others."""

_DAY = timedelta(days=1)
_MONTH = 30
_MICROSECONDS_A_DAY = 86_400_000_000
_KINDS = ("exposure", "impression", "click", "outcome")
_SHOWN, _CLICKS, _OUTCOMES = 2_200, 250, 50
_EXPOSED = 1_400
"""Of those shown, adloom's own; the others are the shop's, which its page tells of."""
_ADS, _ITEMS = 500, 200
_LONGEST_WAIT = 3_600_000_000
assert _SHOWN + _CLICKS + _OUTCOMES == EVENTS_A_DAY


def make_log(log: EventLog, events: int) -> None:
    """Append so many events, whole days of them, a month at a time."""
    days = events // EVENTS_A_DAY
    for start in range(0, days, _MONTH):
        month = range(start, min(start + _MONTH, days))
        made = [event for day in month for event in _day(day, days - day)]
        log.append(made, last_of(made))  # as a consumer does


def shopper(number: int, ago: int = 1) -> str:
    """The id of one of `USERS`, so many days before the end."""
    return f"user-{((ago - 1) // _MONTH * USERS + number) * 2_654_435_761 % 2**32:08x}"


def _day(day: int, ago: int) -> Iterator[LoggedEvent]:
    """A day's events in the order of time; the clicks are on ads shown that day."""
    start = END - ago * _DAY
    rng = np.random.default_rng(day)
    ad = rng.integers(_ADS, size=_SHOWN)
    user = (rng.zipf(1.3, size=_SHOWN) * 7_919 % USERS).tolist()
    shown_at = rng.integers(_MICROSECONDS_A_DAY - _LONGEST_WAIT, size=_SHOWN)
    answered = rng.choice(_SHOWN, _CLICKS + _OUTCOMES, replace=False)
    row = np.concatenate([np.arange(_SHOWN), answered])
    waited = rng.integers(1, _LONGEST_WAIT, size=len(row)) * (np.arange(len(row)) >= _SHOWN)
    kind = np.repeat([0, 1, 2, 3], [_EXPOSED, _SHOWN - _EXPOSED, _CLICKS, _OUTCOMES])
    at = shown_at[row] + waited
    order = np.argsort(at, kind="stable")
    offsets = _offsets(kind, order, day)
    for n in order.tolist():
        yield _event(
            _KINDS[kind[n]],
            f"{day:05d}-{n:04d}",
            start + timedelta(microseconds=int(at[n])),
            shopper(user[row[n]], ago),
            ARMS[user[row[n]] % 2],
            int(ad[row[n]]),
            bool(row[n] < _EXPOSED),
            int(offsets[n]),
        )


def _offsets(kind: NDArray[np.int64], order: NDArray[np.int64], day: int) -> NDArray[np.int64]:
    """Each kind has a topic, of one partition."""
    offsets = np.empty(len(kind), np.int64)
    for number in range(len(_KINDS)):
        of_kind = order[kind[order] == number]
        offsets[of_kind] = day * len(of_kind) + np.arange(len(of_kind))
    return offsets


def _event(
    kind: str, event_id: str, ts: datetime, user: str, arm: str, ad: int, own: bool, offset: int
) -> LoggedEvent:
    told = {"experiment": EXPERIMENT, "version": 3, "seconds": 0.5, "drawn_together": 8}
    return LoggedEvent(
        kind,  # type: ignore[arg-type]
        event_id,
        ts,
        user,
        f"item-{ad % _ITEMS}",
        f"bench.{kind}s",
        0,
        offset,
        "bench",
        ad_id=f"{'own' if own else 'shop'}-{ad}" if kind != "outcome" else None,
        variant=(arm if own else "shop") if kind in ("exposure", "impression") else None,
        propensity=0.5 if kind == "exposure" else None,
        context=json.dumps(told) if kind == "exposure" else "{}",
        extra='{"name": "purchase", "value": 9.5}' if kind == "outcome" else "{}",
    )
