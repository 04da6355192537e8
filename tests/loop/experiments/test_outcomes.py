"""A click counts in an experiment where the loop exposed its ad to its shopper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adloom.feature_store.event_log import EventKind, EventLog, LoggedEvent
from adloom.loop.experiments.outcomes import Outcomes, experiment_outcomes
from tests.experiment_data import experiment

START = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = tuple[EventKind, float, str, str]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "log")


def outcomes(log: EventLog, *rows: Row) -> Outcomes:
    """Of rows of kind, minutes after the start, user and ad, all of one arm."""
    log.append(
        [
            LoggedEvent(
                kind, f"e{n}", START + timedelta(minutes=minutes), user, "shoe",
                f"adloom.{kind}s", 0, n, ad_id=ad, variant="control", propensity=0.5,
            )
            for n, (kind, minutes, user, ad) in enumerate(rows)
        ]
    )  # fmt: skip
    trial = experiment(start=START)
    return experiment_outcomes(log, "trial", trial, attribution=HOUR, until=START + 9 * HOUR)


def test_posted_impressions_and_clicks_are_no_outcomes(log: EventLog) -> None:
    honest: list[Row] = [("exposure", n, f"user-{n}", f"ad-{n}") for n in range(10)]
    posted: list[Row] = []
    for n in range(60):
        posted += [
            ("impression", 20 + n, "mallory", "ad-3"),
            ("click", 20.5 + n, "mallory", "ad-3"),
        ]
    found = outcomes(log, *honest, *posted)
    assert len(found) == 10
    assert not found.clicked.any()


@pytest.mark.parametrize(
    ("click", "counts"),
    [
        (("click", 31, "ann", "ad"), True),
        (("click", 29, "ann", "ad"), False),  # before it was shown
        (("click", 31, "bob", "ad"), False),  # shown to another
        (("click", 31, "ann", "of-another"), False),
        (("click", 91, "ann", "ad"), False),  # out of the window
    ],
)
def test_a_click_is_that_of_the_shopper_who_was_shown_the_ad(
    log: EventLog, click: Row, counts: bool
) -> None:
    found = outcomes(log, ("exposure", 30, "ann", "ad"), click)
    assert found.clicked.tolist() == [counts]


def test_many_clicks_on_one_showing_are_one(log: EventLog) -> None:
    clicks: list[Row] = [("click", 31 + n / 10, "ann", "ad") for n in range(60)]
    assert outcomes(log, ("exposure", 30, "ann", "ad"), *clicks).clicked.tolist() == [True]
