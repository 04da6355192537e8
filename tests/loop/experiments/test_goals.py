"""What ships an arm: more clicks, or not too many lost; and an arm that is held out."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import experiment_outcomes
from adloom.loop.experiments.running import RunningExperiments
from adloom.loop.settings.experiments import Experiment, refuse_overlaps
from tests.experiment_data import START, experiment, simulated

DAY = timedelta(days=1)
HELD_OUT: dict[str, Any] = {"arms": {"all": {"weight": 9}, "before": {}}, "holdout": "before"}


def verdict(lift: float, **changes: Any) -> tuple[str, str]:
    found = judge(simulated(60_000, users=20_000, seed=5, lift=lift), experiment(**changes))
    return found.verdict, found.reason


def test_an_arm_without_any_gain_ships_where_it_need_only_not_lose_much() -> None:
    assert verdict(0.0)[0] == "undecided"
    told, reason = verdict(0.0, goal="non_inferiority", margin=0.2)
    assert (told, "loses less than 20.0% of control's clicks" in reason) == ("ship", True)


def test_a_loss_beyond_the_margin_keeps_the_control_and_one_within_it_does_not() -> None:
    told, reason = verdict(-0.5, goal="non_inferiority", margin=0.2)
    assert (told, "loses more than 20.0%" in reason) == ("keep_control", True)
    assert verdict(-0.5, goal="non_inferiority", margin=0.8)[0] == "ship"
    assert verdict(-0.2, goal="non_inferiority", margin=0.2)[0] == "undecided"


def beside_each_other() -> dict[str, Experiment]:
    trial = experiment(start=START + DAY, end=START + 3 * DAY)
    return {"trial": trial, "long": experiment(**HELD_OUT)}


def test_who_is_held_out_stays_so_and_the_others_take_part_in_what_runs(tmp_path: Path) -> None:
    running = RunningExperiments(beside_each_other(), EventLog(tmp_path), DAY)
    users = [f"user-{n}" for n in range(2_000)]

    def arms(days: int) -> dict[str, tuple[str, str]]:
        dealt = {user: running.assign(user, START + days * DAY) for user in users}
        return {u: (found.experiment, found.variant) for u, found in dealt.items() if found}

    before, during, after = arms(0), arms(2), arms(5)
    held = [user for user, arm in before.items() if arm == ("long", "before")]
    assert len(held) == pytest.approx(200, abs=50)
    assert [user for user, arm in during.items() if arm == ("long", "before")] == held
    assert set(Counter(during.values())) == {
        ("long", "before"), ("trial", "control"), ("trial", "other"),
    }  # fmt: skip
    assert after == before


def test_all_other_ads_are_what_a_holdout_is_compared_with(tmp_path: Path) -> None:
    both = beside_each_other()
    running, log = RunningExperiments(both, EventLog(tmp_path / "none"), DAY), EventLog(tmp_path)
    events = []
    for n in range(600):
        shown_at = START + 5 * DAY * n / 600
        dealt = running.assign(f"user-{n}", shown_at)
        assert dealt is not None
        events.append(
            LoggedEvent(
                "exposure", f"e{n}", shown_at, f"user-{n}", "mug", "t", 0, n, ad_id=f"ad-{n}",
                variant=dealt.variant, propensity=dealt.propensity,
                context=json.dumps(dealt.context()),
            )
        )  # fmt: skip
    log.append(events)

    def read(name: str) -> Counter[str]:
        until = START + 9 * DAY
        found = experiment_outcomes(log, name, both[name], attribution=DAY, until=until)
        assert set(found.propensity) <= set(both[name].shares.values())
        assert (found.shares == list(both[name].shares.values())).all()
        return Counter(found.arms[arm] for arm in found.arm)

    long = read("long")
    assert long.total() == 600
    assert long["before"] == pytest.approx(60, abs=25)
    assert read("trial").total() == pytest.approx(0.9 * 600 * 2 / 5, abs=25)


def test_a_holdout_is_the_control_of_two_arms_and_one_at_a_time() -> None:
    assert experiment(**HELD_OUT).control_arm == "before"
    refuse_overlaps(beside_each_other())
    with pytest.raises(ValueError, match="still runs then"):
        refuse_overlaps({"one": experiment(**HELD_OUT), "two": experiment(**HELD_OUT)})
    for wrong in ({"holdout": "no"}, {"control": "all"}, {"allocation": "thompson"}):
        with pytest.raises(ValidationError, match="holdout"):
            experiment(**HELD_OUT | wrong)
