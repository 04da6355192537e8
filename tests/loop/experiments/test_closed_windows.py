"""Only exposures that nobody can click any more are judged: who clicks late is no worse an arm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import Outcomes, experiment_outcomes
from adloom.loop.experiments.report import report_outcomes
from tests.experiment_data import DAY, START, experiment, simulated

HOUR = timedelta(hours=1)


def seen_at(outcomes: Outcomes, delay: np.ndarray, hours: float) -> Outcomes:
    """What is known so many hours after the start, of clicks that come after `delay` seconds."""
    until = START.timestamp() + hours * 3_600
    here = outcomes.where(outcomes.shown_at < until)
    delay = delay[outcomes.shown_at < until]
    return replace(
        here,
        closed=here.shown_at + here.window <= until,
        clicked=here.clicked & (here.shown_at + delay < until),
    )


@pytest.mark.parametrize("seed", range(3))
def test_arms_whose_shoppers_take_longer_are_not_worse(seed: int) -> None:
    """A/A: those of the control click after an hour, the other's after four."""
    n = 60_000
    outcomes = simulated(n, users=20_000, seed=seed)
    outcomes = replace(outcomes, shown_at=START.timestamp() + np.arange(n) * 2 * DAY / n)
    delay = np.where(outcomes.arm == 1, 4.0, 1.0) * 3_600
    for hours in (12, 24, 30, 36, 48):
        known = seen_at(outcomes, delay, hours)
        judged = judge(known, experiment())
        assert judged.verdict in ("collecting", "undecided")
        counted = sum(arm.impressions for arm in judged.arms.values())
        assert counted == known.closed.sum()
        assert sum(arm.open for arm in judged.arms.values()) == len(known) - counted


def test_the_report_says_how_many_are_open_and_when_the_last_closes() -> None:
    outcomes = replace(simulated(100, users=50, seed=0), closed=np.arange(100) < 60)
    until = START + timedelta(days=1)
    found = report_outcomes(outcomes, "trial", experiment(), until)
    last = START + timedelta(seconds=99 + DAY)
    assert (found.open, found.closes_at) == (40, last)
    assert found.as_json()["closes_at"] == last.isoformat()
    assert any("40 ads can still be clicked" in note for note in found.notes)
    assert not found.warnings  # an ad that is still open is no fault


def test_a_window_closes_when_the_last_click_that_counts_has_come(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    shown = LoggedEvent(
        "exposure", "e", START + HOUR, "ann", "shoe", "adloom.exposures", 0, 0, ad_id="ad",
        variant="control", propensity=0.5,
    )  # fmt: skip
    log.append([shown, shown._replace(event_id="f", user_id="bob", ts=START + 2 * HOUR)])
    then: datetime = START + 2 * HOUR
    found = experiment_outcomes(log, "trial", experiment(), attribution=HOUR, until=then + HOUR / 2)
    assert found.closed.tolist() == [True, False]
    assert [found.users[number] for number in found.user] == ["ann", "bob"]
    assert found.items == ("shoe",)
    assert found.shown_at[0] == (START + HOUR).timestamp()
    assert found.closes_at == then + HOUR
    assert found.closes_at.tzinfo is UTC
    assert len(found.judged) == 1
