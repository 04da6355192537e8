"""Rates adjusted by what users did before."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from adloom.loop.statistics.adjustment import adjusted_rates
from adloom.loop.statistics.rates import ArmRates, arm_rates

Floats = NDArray[np.float64]


def rates(
    values: Floats, arm: NDArray[np.int64], user: NDArray[np.int64]
) -> tuple[ArmRates, NDArray[np.bool_]]:
    found = arm_rates(values, arm=arm, user=user, weight=np.ones(len(arm)), arms=2)
    seen = np.zeros((int(user.max()) + 1, 2), bool)
    seen[user, arm] = True
    return found, seen


def test_with_one_ad_a_user_it_is_the_analysis_of_covariance() -> None:
    rng = np.random.default_rng(2)
    users = 4_000
    before = rng.normal(size=(users, 2))
    arm = rng.permutation(np.arange(users) % 2)
    values = 1.0 + 0.1 * arm + before @ [0.8, -0.3] + rng.normal(size=users)
    plain, seen = rates(values, arm, np.arange(users))
    found = adjusted_rates(plain, seen, before).difference(1, 0)
    theirs = sm.OLS(values, sm.add_constant(np.column_stack([arm, before]))).fit()
    assert found.value == pytest.approx(theirs.params[1], rel=1e-4)  # one user less is free
    assert found.error == pytest.approx(theirs.bse[1], rel=0.03)


def test_it_saves_variance_of_a_rate_keeps_its_truth_and_its_error_is_the_real_one() -> None:
    rng = np.random.default_rng(3)
    estimates, errors, plain_errors = [], [], []
    for _ in range(300):
        users = 400
        eager = rng.beta(1, 4, users)
        ads = rng.integers(1, 12, users)
        past = rng.integers(1, 40, users)
        clicks_before = rng.binomial(past, eager)
        before = np.column_stack([clicks_before - 0.2 * past, clicks_before / past])
        side = rng.integers(0, 2, users)
        user = np.repeat(np.arange(users), ads)
        clicked = rng.random(len(user)) < np.repeat(eager * (1 + 0.1 * side), ads)
        plain, seen = rates(clicked.astype(float), side[user], user)
        found = adjusted_rates(plain, seen, before).difference(1, 0)
        estimates.append(found.value)
        errors.append(found.error)
        plain_errors.append(plain.difference(1, 0).error)
    assert np.mean(estimates) == pytest.approx(0.02, abs=0.003)
    assert np.std(estimates) == pytest.approx(np.mean(errors), rel=0.1)
    assert np.mean(errors) < 0.85 * np.mean(plain_errors)


def test_what_says_nothing_of_the_past_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    user = rng.integers(0, 100, 1_000)
    plain, seen = rates((rng.random(1_000) < 0.2).astype(float), user % 2, user)
    found = adjusted_rates(plain, seen, np.ones((100, 1)))
    assert found.rate == pytest.approx(plain.rate)
    assert found.error == pytest.approx(plain.error, rel=0.02)


def test_an_arm_without_users_stays_unknown() -> None:
    user = np.arange(10)
    plain, seen = rates(np.ones(10), np.zeros(10, np.int64), user)
    assert np.isnan(adjusted_rates(plain, seen, np.ones((10, 2))).rate[1])
