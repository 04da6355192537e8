"""Showings and clicks of ads are counted by the log, each once, however often it is looked at."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.feature_store.event_log import EventKind, EventLog, LoggedEvent
from adloom.loop.pool.counts import ClickCounts
from adloom.loop.pool.own_clicks import Counted

START = datetime(2026, 5, 1, tzinfo=UTC)
ATTRIBUTION, WINDOW = timedelta(hours=2), timedelta(days=2)
MINUTE = timedelta(minutes=1)


def event(
    n: int, kind: EventKind, at: timedelta, user: str = "ann", ad: str = "ad", id_: str = ""
) -> LoggedEvent:
    event_id = id_ or f"{kind}-{n}"
    return LoggedEvent(kind, event_id, START + at, user, "mug", f"{kind}s", 0, n, "topic", ad_id=ad)


def counted(log: EventLog, at: timedelta) -> dict[str, Counted]:
    counts = ClickCounts(log, ATTRIBUTION, WINDOW)
    counts.refresh(START + at)
    return dict(counts.now)


def test_a_click_counts_once_a_showing_and_only_from_who_was_shown_the_ad(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    events = [
        event(0, "exposure", 0 * MINUTE),
        event(1, "click", 1 * MINUTE),
        event(2, "click", 2 * MINUTE),
        event(3, "click", 3 * MINUTE, user="bob"),
        event(4, "exposure", 4 * MINUTE, user="eve"),
        event(5, "exposure", 5 * MINUTE, ad="other"),
        event(6, "click", 5 * MINUTE + ATTRIBUTION + MINUTE, ad="other"),
        event(7, "click", 1 * MINUTE, id_="click-1"),  # it came again
    ]
    log.append(events)
    assert counted(log, timedelta(hours=5)) == {"ad": Counted(2, 1), "other": Counted(1, 0)}


def test_showings_count_no_more_when_the_window_has_passed_them(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    log.append([event(0, "exposure", 0 * MINUTE), event(1, "exposure", timedelta(days=3))])
    assert counted(log, timedelta(days=3, hours=1)) == {"ad": Counted(1, 0)}


_SHOWN = st.tuples(
    st.integers(0, 60 * 30), st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.booleans()
)


@given(st.lists(_SHOWN, max_size=12), st.lists(st.integers(0, 60 * 40), max_size=5))
@settings(max_examples=15, deadline=None)
def test_whoever_looked_when_the_counts_are_those_of_one_look(
    shown: list[tuple[int, str, str, bool]], looks: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "log")
        often, n = ClickCounts(log, ATTRIBUTION, WINDOW), 0
        at = [(minutes * MINUTE, user, ad, clicks) for minutes, user, ad, clicks in sorted(shown)]
        for look in [*sorted(looks), 60 * 40]:
            logged = []
            while at and at[0][0] + MINUTE < look * MINUTE:
                when, user, ad, clicks = at.pop(0)
                logged.append(event(n, "exposure", when, user, ad))
                if clicks:
                    logged.append(event(n, "click", when + MINUTE / 2, user, ad))
                n += 1
            log.append(logged)
            often.refresh(START + look * MINUTE)
            assert dict(often.now) == counted(log, look * MINUTE)
