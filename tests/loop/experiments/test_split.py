"""Lost users and lost exposures are found, by whatever shares and however often one looks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from adloom.loop.experiments.crossed import by_first_arm, crossed_users, units
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.split import SplitCheck, dealing_evidence, split_check
from tests.experiment_data import experiment, outcomes_of, simulated, simulated_thompson

LEVEL = 0.01


def checked(outcomes: Outcomes, definition: Experiment | None = None) -> SplitCheck:
    return split_check(
        unit=units(outcomes, definition or experiment()),
        user=outcomes.user,
        arm=outcomes.arm,
        shares=outcomes.shares,
        control=0,
    )


def lossy(outcomes: Outcomes, kept: float) -> Outcomes:
    """Of the second arm's exposures only that share reached the log."""
    rng = np.random.default_rng(0)
    return outcomes.where((outcomes.arm == 0) | (rng.random(len(outcomes)) < kept))


def evidence(dealt: np.ndarray, share: np.ndarray) -> float:
    return math.exp(-dealing_evidence(dealt, np.stack([1 - share, share], axis=1)))


def test_fair_dealing_alarms_as_rarely_as_stated_however_often_it_is_looked_at() -> None:
    """The highest evidence so far is what is told: one look at the end is all of them."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        share = np.repeat(rng.uniform(0.1, 0.9, 20), 100)
        alarms += evidence((rng.random(2_000) < share).astype(np.int64), share) < 0.05
    assert alarms / 400 <= 0.05


def test_evidence_once_seen_stays() -> None:
    rng = np.random.default_rng(0)
    share = np.full(20_000, 0.5)
    skewed = rng.random(20_000) < np.where(np.arange(20_000) < 4_000, 0.6, 0.5)
    early = evidence(skewed[:4_000].astype(np.int64), share[:4_000])
    assert early < 1e-10
    assert evidence(skewed.astype(np.int64), share) <= 10 * early  # not all looks are the same


@pytest.mark.parametrize("batches", [1, 10, 100])
def test_power_does_not_hang_on_how_often_shares_moved(batches: int) -> None:
    """Odds of 48 to 52 where they should be even, over 20,000 deals."""
    rng = np.random.default_rng(0)
    share = np.repeat(np.resize([0.5, 0.35, 0.65], batches), 20_000 // batches)
    odds = share / (1 - share) * 0.52 / 0.48
    found = sum(
        evidence((rng.random(len(share)) < odds / (1 + odds)).astype(np.int64), share) < LEVEL
        for _ in range(20)
    )
    assert found >= 16


def test_several_arms_are_tested_at_once() -> None:
    rng = np.random.default_rng(0)
    shares = np.tile([0.5, 0.3, 0.2], (20_000, 1))
    fair = rng.choice(3, 20_000, p=[0.5, 0.3, 0.2])
    skewed = rng.choice(3, 20_000, p=[0.5, 0.27, 0.23])
    assert dealing_evidence(fair, shares) < math.log(20)
    assert dealing_evidence(skewed, shares) > math.log(1_000)
    none_left = np.tile([0.5, 0.5, 0.0], (20_000, 1))
    assert dealing_evidence(fair, none_left) == math.inf


def test_lost_exposures_are_found_though_their_users_stay() -> None:
    """Ten ads a user: hardly any user is lost with three of ten exposures."""
    fair = simulated(20_000, users=2_000, seed=0)
    assert checked(fair).p_value > 0.1
    found = checked(lossy(fair, 0.7))
    assert found.exposures_a_user < LEVEL
    assert found.p_value < LEVEL
    judged = judge(lossy(fair, 0.7), experiment())
    assert judged.verdict == "bad_split"
    assert "too few ads for its users" in judged.reason


def test_lost_users_are_called_by_their_name() -> None:
    judged = judge(simulated(20_000, users=6_000, seed=0, real_shares=(0.42, 0.58)), experiment())
    assert judged.verdict == "bad_split"
    assert "not dealt as their shares say" in judged.reason


def test_exposures_lost_under_moving_shares_are_found() -> None:
    definition = experiment(allocation="thompson")
    fair = simulated_thompson(10_000, users=2_000, seed=1, batch=500)
    assert checked(fair, definition).p_value > LEVEL
    assert checked(lossy(fair, 0.7), definition).p_value < LEVEL


def test_exposures_alarm_as_rarely_as_stated_under_peeking() -> None:
    """Shoppers of log-normal frequency who come back; looked at twelve times."""
    alarms = 0
    for seed in range(25):
        outcomes = simulated(3_000, users=500, seed=seed)
        looks = [checked(outcomes.head(n)) for n in range(250, 3_001, 250)]
        alarms += any(min(one.exposures, one.exposures_a_user) < 0.05 for one in looks)
    assert alarms <= 1


def test_a_bot_is_no_lost_exposure_of_the_others() -> None:
    fair = simulated(4_000, users=1_000, seed=0)
    bot = np.full(12_000, fair.user[0])
    who = np.concatenate([fair.user, bot])
    arm = np.concatenate([fair.arm, np.full(len(bot), fair.arm[0])])
    clicked, even = np.zeros(len(who), bool), np.full((len(who), 2), 0.5)
    visited = outcomes_of(who, arm, clicked, even, np.zeros(len(who), np.int64))
    assert checked(visited).p_value > LEVEL


def test_arms_that_may_differ_in_visits_are_tested_by_users_alone() -> None:
    lost = lossy(simulated(20_000, users=2_000, seed=0), 0.7)
    found = split_check(
        unit=lost.user,
        user=lost.user,
        arm=lost.arm,
        shares=lost.shares,
        control=0,
        count_exposures=False,
    )
    assert found.exposures_a_user < LEVEL
    assert found.p_value == found.users


def test_nothing_known_is_nothing_found() -> None:
    some = simulated(100, users=20, seed=0)
    assert checked(some.head(0)) == SplitCheck()
    unknown = replace(some, shares=np.full((100, 2), np.nan))
    assert checked(unknown) == SplitCheck()


def crossed(outcomes: Outcomes, share: float) -> Outcomes:
    """That share of the users is moved to the other arm halfway, by a change of the salt."""
    rng = np.random.default_rng(0)
    moved = rng.random(outcomes.user.max() + 1) < share
    late = np.arange(len(outcomes)) >= len(outcomes) // 2
    return replace(
        outcomes, arm=np.where(moved[outcomes.user] & late, 1 - outcomes.arm, outcomes.arm)
    )


def test_crossed_users_are_judged_by_their_first_arm() -> None:
    fair = simulated(8_000, users=1_000, seed=0)
    mixed = crossed(fair, 0.2)
    assert crossed_users(fair) == 0
    assert crossed_users(mixed) > 100
    first = by_first_arm(mixed, experiment())
    assert crossed_users(first) == 0
    seen = np.unique(mixed.user, return_index=True)[1]
    np.testing.assert_array_equal(first.arm[seen], mixed.arm[seen])
    users = judge(mixed, experiment()).arms
    assert sum(arm.users for arm in users.values()) == len(seen)


def test_under_moving_shares_users_change_their_arm_by_design() -> None:
    outcomes = simulated_thompson(4_000, users=300, seed=0, batch=500)
    assert crossed_users(outcomes) > 50
    kept = by_first_arm(outcomes, experiment(allocation="thompson"))
    np.testing.assert_array_equal(kept.arm, outcomes.arm)


def test_moving_weights_move_no_lift() -> None:
    """Frequent shoppers click more; late weights give the second arm users of the first."""
    rng = np.random.default_rng(0)
    n, users = 40_000, 2_000
    often = rng.random(users) < 0.2
    chance = np.where(often, 0.2, 0.05)
    who = rng.choice(users, n, p=np.where(often, 5.0, 1.0) / np.where(often, 5.0, 1.0).sum())
    point, late = rng.random(users), np.arange(n) >= n // 2
    second_share = np.where(late, 0.9, 0.1)
    arm = (point[who] < second_share).astype(np.int64)
    shares = np.stack([1 - second_share, second_share], axis=1)
    clicked = rng.random(n) < chance[who]
    outcomes = outcomes_of(who, arm, clicked, shares, np.zeros(n, np.int64))
    lift = judge(outcomes, experiment()).arms["other"].lift
    assert lift is not None
    assert lift.interval.low < 0 < lift.interval.high
