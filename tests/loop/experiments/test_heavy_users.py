"""Few users with most of an arm's ads prove nothing, and are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from adloom.loop.experiments.heavy_users import exposure_weights, heavy_users
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.statistics.anytime import always_valid_reach
from adloom.loop.statistics.clusters import effective_units, t_quantile
from adloom.loop.statistics.rates import arm_rates
from tests.experiment_data import experiment, outcomes_of


def with_a_bot(seed: int, *, users: int = 600, visits: int = 3, share: float = 0.83) -> Outcomes:
    """A/A, but for a bot in the second arm that has this share of its ads and clicks each."""
    rng = np.random.default_rng(seed)
    arm = np.arange(users) % 2
    ads = int(users / 2 * visits * share / (1 - share))
    who = rng.permutation(
        np.concatenate([np.repeat(np.arange(users), visits), np.full(ads, users)])
    )
    dealt = np.append(arm, 1)[who]
    clicked = np.where(who == users, True, rng.random(len(who)) < 0.1)
    n = len(who)
    return outcomes_of(who, dealt, clicked, np.full((n, 2), 0.5), np.zeros(n, np.int64))


@pytest.mark.parametrize("most", [None, 100, 1_000])
@pytest.mark.parametrize("seed", range(4))
def test_a_bot_with_most_of_an_arms_ads_ships_nothing(seed: int, most: int | None) -> None:
    definition = experiment(max_user_exposures=most)
    assert judge(with_a_bot(seed), definition).verdict in ("collecting", "undecided")
    larger = with_a_bot(seed, users=20_000, share=0.1)
    assert judge(larger, definition).verdict == "undecided"


def test_users_who_weigh_little_are_not_enough_however_many_they_are() -> None:
    judged = judge(with_a_bot(0, users=2_000), experiment(max_user_exposures=None))
    assert judged.arms["other"].users == 1_001
    assert judged.arms["other"].effective_users < 2
    assert judged.verdict == "collecting"


def test_heavy_users_are_named_with_what_they_weigh() -> None:
    outcomes = with_a_bot(0)
    (heavy,) = heavy_users(outcomes, experiment(max_user_exposures=100))
    busiest = outcomes.users[int(np.bincount(outcomes.user).argmax())]
    assert (heavy.user, heavy.arm) == (busiest, "other")
    assert heavy.share == pytest.approx(0.83, abs=0.001)
    assert heavy.weight == pytest.approx(100 / 1_000)


def test_a_user_weighs_as_much_as_the_limit_says_whatever_was_clicked() -> None:
    outcomes = with_a_bot(0)
    weight = exposure_weights(outcomes, experiment(max_user_exposures=2))
    by_user = np.bincount(outcomes.user, weight)
    assert by_user == pytest.approx(4.0)  # two exposures of propensity a half


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=50))
def test_effective_units_are_as_many_as_there_are_at_most(weights: list[float]) -> None:
    found = effective_units(np.array(weights))
    assert found * (1 + 1e-9) >= 1.0
    assert found <= len(weights) * (1 + 1e-9)
    assert effective_units(np.ones(len(weights))) == pytest.approx(len(weights))


def test_with_few_units_intervals_are_those_of_students_t() -> None:
    assert t_quantile(0.975, 11) == pytest.approx(student.ppf(0.975, 10))
    assert t_quantile(0.975, np.inf) == pytest.approx(norm.ppf(0.975))
    many, few = (always_valid_reach(0.1, 0.1, 0.05, units) for units in (np.inf, 11))
    assert student.sf(few / 0.1, 10) == pytest.approx(norm.sf(many / 0.1))


def test_the_error_of_a_rate_is_the_jackknifes() -> None:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(30), rng.integers(1, 40, 30))
    clicked = rng.random(len(user)) < 0.2
    n = len(user)
    rates = arm_rates(clicked, arm=np.zeros(n, np.int64), user=user, weight=np.ones(n), arms=1)
    without = np.array([clicked[user != one].mean() for one in range(30)])
    jackknife = 29 / 30 * ((without - clicked.mean()) ** 2).sum()
    assert rates.error[0] ** 2 == pytest.approx(jackknife)
