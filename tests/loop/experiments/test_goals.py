"""What ships an arm: more clicks, or not too many lost; and an arm that is held out."""

from __future__ import annotations

from typing import Any

from adloom.loop.experiments.judgement import judge
from tests.experiment_data import experiment, simulated


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
