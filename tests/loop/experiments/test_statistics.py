"""Rates, intervals and tests against what textbooks and brute force say of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta as beta_distribution
from scipy.stats import norm, ttest_ind

from adloom.loop.experiments.guardrails import guardrails
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.statistics.anytime import always_valid_reach
from adloom.loop.statistics.rates import (
    ArmRates,
    Estimate,
    arm_rates,
    clustered_mean,
    rate_interval,
)
from tests.benchmarks.aa_runs import QUIET, watched_run
from tests.experiment_data import experiment, simulated, simulated_thompson


def test_the_rate_of_an_arm_is_clicks_over_exposures() -> None:
    outcomes = simulated(2_000, users=300, seed=0)
    arms = judge(outcomes, experiment()).arms
    assert sum(arm.impressions for arm in arms.values()) == 2_000
    assert sum(arm.users for arm in arms.values()) == outcomes.user.max() + 1
    for arm in arms.values():
        assert arm.rate == pytest.approx(arm.clicks / arm.impressions)
        assert arm.interval.low < arm.rate < arm.interval.high


def test_with_one_exposure_a_user_the_error_is_that_of_the_t_test() -> None:
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 2, 500)
    values = rng.normal(5 + arm, 1 + arm)
    rates = arm_rates(values, arm=arm, user=np.arange(500), weight=np.ones(500), arms=2)
    difference = rates.difference(1, 0)
    expected = ttest_ind(values[arm == 1], values[arm == 0], equal_var=False)
    assert difference.value / difference.error == pytest.approx(expected.statistic)


def test_the_error_of_a_rate_is_what_resampled_users_show() -> None:
    """Users who come often make a click-through rate less certain than its exposures say."""
    outcomes = simulated(6_000, users=600, seed=1)
    stated = _rates(outcomes).error[0]
    rng = np.random.default_rng(0)
    mine = outcomes.arm == 0
    users = int(outcomes.user.max()) + 1
    shown = np.bincount(outcomes.user[mine], minlength=users)
    clicked = np.bincount(outcomes.user[mine], outcomes.clicked[mine], users)
    members = np.flatnonzero(shown)
    drawn = rng.choice(members, (2_000, len(members)))
    resampled = (clicked[drawn].sum(axis=1) / shown[drawn].sum(axis=1)).std()
    assert stated == pytest.approx(resampled, rel=0.08)
    rate = clicked.sum() / shown.sum()
    assert stated > 1.2 * math.sqrt(rate * (1 - rate) / shown.sum())


def test_weights_undo_shares_that_changed_with_the_times() -> None:
    """The first half is clicked often and mostly shown arm 0: a plain rate would favour it."""
    rng = np.random.default_rng(0)
    n = 40_000
    shares = np.where(np.arange(n) < n // 2, 0.2, 0.8)
    arm = (rng.random(n) < shares).astype(np.int64)
    clicked = rng.random(n) < np.where(np.arange(n) < n // 2, 0.4, 0.1)
    weight = 1 / np.where(arm == 1, shares, 1 - shares)
    rates = arm_rates(clicked, arm=arm, user=np.arange(n), weight=weight, arms=2)
    ratio = rates.log_ratio(1, 0)
    assert ratio is not None
    assert abs(ratio.value) < 3 * ratio.error
    assert clicked[arm == 0].mean() > 1.5 * clicked[arm == 1].mean()


def test_a_rate_without_a_click_has_an_honest_upper_end() -> None:
    interval = rate_interval(Estimate(0.0, 0.0), 100)
    assert interval.low == 0
    assert interval.high == pytest.approx(beta_distribution.ppf(0.975, 1, 100))


def test_a_clustered_mean_of_single_rows_is_the_plain_one() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = clustered_mean(values, np.arange(50))
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(50))


def test_the_always_valid_interval_is_missed_as_rarely_as_stated() -> None:
    """Means of normal steps, looked at after each of them, 2,000 times over."""
    rng = np.random.default_rng(0)
    n = np.arange(1, 2_001)
    means = rng.normal(size=(2_000, len(n))).cumsum(axis=1) / n
    reach = np.array([always_valid_reach(1 / math.sqrt(k), 0.1, 0.05) for k in n])
    missed = (np.abs(means) > reach).any(axis=1).mean()
    fixed = (np.abs(means) > norm.ppf(0.975) / np.sqrt(n)).any(axis=1).mean()
    assert 0.01 < missed <= 0.05
    assert fixed > 0.4  # what the same looks do to an interval for one look


def test_an_always_valid_interval_needs_some_variation() -> None:
    assert always_valid_reach(0.0, 0.1, 0.05) == math.inf
    assert always_valid_reach(math.inf, 0.1, 0.05) == math.inf


def test_nothing_is_judged_by_a_few_clicks() -> None:
    few = judge(simulated(50, users=20, seed=0), experiment())
    assert few.verdict == "collecting"
    for name, arm in few.arms.items():
        users = f"{int(arm.effective_users)} of the 30 users of equal weight that it takes"
        assert f'"{name}" has {users} and {arm.clicks} of the 20 clicks' in few.reason
    many = judge(simulated(300, users=200, seed=0, rate=0.02), experiment())
    assert "users" not in many.reason
    assert "of the 20 clicks that it takes" in many.reason
    empty = simulated(50, users=20, seed=0).head(0)
    judged = judge(empty, experiment())
    assert judged.verdict == "collecting"
    assert judged.arms["other"].lift is None


def test_a_worse_arm_is_not_shipped() -> None:
    judged = judge(simulated(40_000, users=8_000, seed=0, lift=-0.4), experiment())
    assert (judged.verdict, judged.winner) == ("keep_control", "control")
    lift = judged.arms["other"].lift
    assert lift is not None
    assert lift.always_valid.low < -0.4 < lift.always_valid.high


def _slower(outcomes: Outcomes, factor: float) -> Outcomes:
    rng = np.random.default_rng(0)
    together = np.where(outcomes.arm == 1, 8, 1)
    seconds = rng.lognormal(sigma=0.2, size=len(outcomes)) * together
    mixed = rng.random(len(outcomes)) < 0.3  # some batches of either arm have four ads
    together, seconds = np.where(mixed, 4, together), np.where(mixed, seconds / together, seconds)
    return replace(
        outcomes,
        seconds=np.where(outcomes.arm == 1, factor * seconds, seconds),
        drawn_together=together,
    )


def test_a_slow_arm_breaks_its_guardrail_and_large_batches_do_not() -> None:
    outcomes = simulated(20_000, users=5_000, seed=0, lift=0.5)
    fair = judge(_slower(outcomes, 1.0), experiment())
    assert (fair.verdict, fair.winner) == ("ship", "other")
    assert not fair.guardrails["other"]["seconds"].broken
    slow = judge(
        replace(_slower(outcomes, 2.0), drawn_together=np.ones(20_000, np.int64)), experiment()
    )
    assert slow.guardrails["other"]["seconds"].broken
    assert slow.verdict == "keep_control"
    assert "breaks seconds" in slow.reason


def test_invalid_titles_break_their_guardrail() -> None:
    outcomes = simulated(20_000, users=5_000, seed=0)
    rng = np.random.default_rng(0)
    invalid = (rng.random(20_000) < np.where(outcomes.arm == 1, 0.10, 0.01)).astype(float)
    held = guardrails(replace(outcomes, invalid_title=invalid), experiment())["other"]
    assert held["invalid_titles"].broken
    assert held["invalid_titles"].value == pytest.approx(0.10, abs=0.01)
    assert "seconds" not in held


def test_thompson_sampling_is_judged_without_bias() -> None:
    """A plain rate is biased down for an arm that had bad luck first; the weighted one is not."""
    definition = experiment(allocation="thompson")
    judged = [
        judge(simulated_thompson(4_000, users=800, seed=seed, batch=500), definition)
        for seed in range(100)
    ]
    lifts = np.array([lift.value for j in judged if (lift := j.arms["other"].lift)])
    assert lifts.mean() == pytest.approx(0.0, abs=3 * lifts.std() / math.sqrt(len(lifts)))
    assert all(j.split_p_value > 0.001 for j in judged)
    assert sum(j.verdict not in QUIET for j in judged) <= 5


@pytest.mark.slow
def test_peeking_raises_few_false_alarms_and_planted_effects_are_found() -> None:
    """The small version of `python -m tests.benchmarks.aa_runs`."""
    alike = [watched_run(seed, exposures=5_000) for seed in range(60)]
    alarms = sum(ending.verdict not in QUIET for ending in alike)
    assert alarms <= 6  # 5 % of 60 are 3; more than 6 would be a chance of one in 30
    lifted = [
        watched_run(seed, exposures=200_000, lift=0.1, look_every=20_000) for seed in range(3)
    ]
    assert {ending.winner for ending in lifted} == {"other"}
    skewed = watched_run(0, exposures=40_000, real_shares=(0.45, 0.55), look_every=2_000)
    assert skewed.verdict == "bad_split"
    assert skewed.exposures < 40_000


def _rates(outcomes: Outcomes) -> ArmRates:
    return arm_rates(
        outcomes.clicked,
        arm=outcomes.arm,
        user=outcomes.user,
        weight=1 / outcomes.propensity,
        arms=2,
    )
