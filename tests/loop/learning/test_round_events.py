"""A round reads the log back to its newest clicks, and plans as if it had read all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop.catalogue.creatives.store import KnownAd
from adloom.loop.learning.rounds.events import round_events
from adloom.loop.learning.rounds.plan import choose_clicks, new_clicks
from adloom.loop.settings.learning import RoundSettings
from tests.sample_events import at, logged

HOUR, DAYS = 3600.0, 60
ROUNDS = RoundSettings(max_examples=40, attribution_hours=6)
LATER = at(DAYS * 24 * HOUR)


class EveryAd:
    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        return {ad: KnownAd(ad, "shoe", "", "", "champion", "", "") for ad in ad_ids}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    """Four clicks a day, each on one of two ads that its shopper was shown."""
    log = EventLog(tmp_path_factory.mktemp("log"))
    for day in range(DAYS):
        log.append([event for n in range(4) for event in visit(4 * day + n)])
    log.close()
    return log


def visit(n: int) -> list[LoggedEvent]:
    seconds, user = n * 6 * HOUR, {"user_id": f"user-{n % 30}"}
    return [
        logged(2 * n, seconds, "exposure", ad_id=f"ad-{n % 7}", **user),
        logged(2 * n + 1, seconds + 1, "exposure", ad_id=f"ad-{n % 7 + 1}", **user),
        logged(n, seconds + HOUR, "click", ad_id=f"ad-{n % 7}", **user),
    ]


def test_a_plan_of_the_newest_is_the_plan_of_all(log: EventLog) -> None:
    events = round_events(log, EveryAd(), ROUNDS, until=LATER)
    assert events.since is not None
    assert at(0) + timedelta(days=20) < events.since
    since = LATER - timedelta(days=5)
    plan = choose_clicks(events.rows, ROUNDS, since=since, until=LATER, read_since=events.since)
    assert plan == choose_clicks(log.read(), ROUNDS, since=since, until=LATER)
    assert len(plan.train) + len(plan.replay) + len(plan.heldout) == ROUNDS.max_examples


def test_a_look_reads_back_to_the_last_round(log: EventLog) -> None:
    since = LATER - timedelta(days=2)
    events = round_events(log, EveryAd(), ROUNDS, until=LATER, back_to=since)
    assert events.since is not None
    assert events.since > LATER - timedelta(days=5)
    assert new_clicks(events.rows, ROUNDS, since=since, until=LATER) == 8


def test_few_clicks_are_looked_for_in_all_of_the_log(log: EventLog, tmp_path: Path) -> None:
    many = ROUNDS.model_copy(update={"max_examples": 2_000})
    events = round_events(log, EveryAd(), many, until=LATER)
    assert events.since is None
    assert len(events.rows) == 3 * 4 * DAYS
    empty = round_events(EventLog(tmp_path), EveryAd(), many, until=LATER)
    assert empty.rows.empty


def test_a_click_at_the_edge_of_what_was_read_is_not_told_as_unshown(log: EventLog) -> None:
    events = round_events(log, EveryAd(), ROUNDS, until=LATER)
    plan = choose_clicks(events.rows, ROUNDS, since=None, until=LATER, read_since=events.since)
    assert plan.unshown == 0
