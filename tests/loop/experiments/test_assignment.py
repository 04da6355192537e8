"""Users stay in their arm, arms get their shares, and Thompson sampling moves them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.store import FeatureStore
from adloom.loop.experiments.assignment import Allocation, assign
from adloom.loop.experiments.running import RunningExperiments
from adloom.loop.experiments.thompson import (
    best_arm_probabilities,
    effective_counts,
    thompson_shares,
)
from tests.experiment_data import START, experiment, outcomes_of, simulated_thompson

USERS = [f"user-{n}" for n in range(4_000)]
DAY = timedelta(hours=24)
even = Allocation({"control": 0.5, "other": 0.5})


def dealt(allocation: Allocation, salt: str = "salt") -> list[str]:
    return [assign("trial", salt, user, allocation).variant for user in USERS]


def test_a_user_stays_in_an_arm_and_another_salt_deals_anew() -> None:
    assert dealt(even) == dealt(even)
    same = np.mean([a == b for a, b in zip(dealt(even), dealt(even, "pepper"), strict=True)])
    assert same == pytest.approx(0.5, abs=0.05)


def test_arms_get_their_shares() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    counts = Counter(dealt(Allocation(shares)))
    expected = [share * len(USERS) for share in shares.values()]
    assert chisquare([counts[arm] for arm in shares], expected).pvalue > 0.001
    assert assign("trial", "salt", "user-1", Allocation(shares)).propensity in shares.values()


def test_a_growing_arm_keeps_its_users() -> None:
    grown = Allocation({"control": 0.3, "other": 0.7})
    pairs = zip(dealt(even), dealt(grown), strict=True)
    assert all(after == "other" for before, after in pairs if before == "other")


def test_a_new_batch_deals_anew() -> None:
    again = dealt(Allocation(even.shares, batch=1))
    assert np.mean([a == b for a, b in zip(dealt(even), again, strict=True)]) < 0.6


@given(st.text(min_size=1, max_size=128))
def test_every_user_id_has_an_arm(user: str) -> None:
    thirds = Allocation({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert assign("trial", "salt", user, thirds).variant in thirds.shares


def test_thompson_probabilities_are_those_of_sampling() -> None:
    rng = np.random.default_rng(0)
    shown, clicked = np.array([500, 450, 90]), np.array([25, 40, 6])
    draws = rng.beta(1 + clicked, 1 + shown - clicked, (200_000, 3)).argmax(axis=1)
    sampled = np.bincount(draws, minlength=3) / len(draws)
    assert best_arm_probabilities(shown.tolist(), clicked.tolist()) == pytest.approx(
        sampled, abs=0.005
    )


def test_thompson_leaves_no_arm_without_its_part_of_exploration() -> None:
    shares = thompson_shares(["a", "b"], {"a": (9_000, 900), "b": (9_000, 90)}, explore=0.1)
    assert shares["b"] == pytest.approx(0.05)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert thompson_shares(["a", "b"], {}, explore=0.1) == pytest.approx({"a": 0.5, "b": 0.5})


def showing(n: int, arm: str, minutes: float, *, clicked: bool) -> list[LoggedEvent]:
    at = START + timedelta(minutes=minutes)
    shown = LoggedEvent(
        "exposure", f"e{n}", at, f"user-{n}", "shoe", "t", 0, n, ad_id=f"ad-{n}", variant=arm,
        propensity=0.5, context='{"experiment": "trial"}',
    )  # fmt: skip
    click = shown._replace(kind="click", event_id=f"c{n}", ts=at + timedelta(minutes=1))
    return [shown, click] if clicked else [shown]


def test_shares_follow_the_clicks_of_the_batches_before(store: FeatureStore) -> None:
    trial = experiment(allocation="thompson", refresh_minutes=60)
    window = timedelta(minutes=30)
    running = RunningExperiments({"trial": trial}, store.log, window)
    early, late = START + timedelta(minutes=30), START + timedelta(minutes=61)
    for n in range(200):
        arm = "other" if n % 2 else "control"
        store.log.append(showing(n, arm, n / 10, clicked=arm == "other" and n % 3 == 0))
    running.refresh(early)
    first = running.assign("ann", early)
    assert first is not None
    assert first.allocation == Allocation({"control": 0.5, "other": 0.5})
    running.refresh(late)
    second = running.assign("ann", late)
    assert second is not None
    assert second.allocation.batch == 1
    assert second.allocation.shares["other"] > 0.9
    # What happens after the batch began changes nothing in it, even for a server started later.
    store.log.append(
        [e for n in range(300, 500) for e in showing(n, "control", 60.5, clicked=True)]
    )
    restarted = RunningExperiments({"trial": trial}, store.log, window)
    restarted.refresh(late)
    assert restarted.assign("ann", late) == second


def test_shares_wait_until_the_windows_are_closed(store: FeatureStore) -> None:
    trial = experiment(allocation="thompson", refresh_minutes=60)
    for n in range(200):
        arm = "other" if n % 2 else "control"
        store.log.append(showing(n, arm, n / 10, clicked=arm == "other"))
    running = RunningExperiments({"trial": trial}, store.log, DAY)
    for hours, moved in ((23, False), (25, True)):
        now = START + timedelta(hours=hours, minutes=1)
        running.refresh(now)
        dealt = running.assign("ann", now)
        assert dealt is not None
        assert (dealt.allocation.shares["other"] > 0.9) == moved


def test_an_arm_whose_clicks_come_late_keeps_its_share() -> None:
    """A/A, and the clicks of one arm come six batches after its ads."""
    shares = [
        simulated_thompson(6_000, users=1_200, seed=seed, batch=400, late=(0, 6)).shares[-1, 1]
        for seed in range(6)
    ]
    assert np.mean(shares) > 0.25


def test_the_clicks_of_one_user_make_no_arm_the_best() -> None:
    rng = np.random.default_rng(0)
    who = np.concatenate([np.arange(200), np.full(100, 200)])
    arm = np.concatenate([np.arange(200) % 2, np.ones(100, np.int64)])
    clicked = np.where(who == 200, True, rng.random(300) < 0.1)
    even, first = np.full((300, 2), 0.5), np.zeros(300, np.int64)
    definition = experiment(allocation="thompson")
    counts = effective_counts(outcomes_of(who, arm, clicked, even, first), definition)
    shares = thompson_shares(["control", "other"], counts, explore=0.1)
    assert counts["other"][0] < 20
    assert shares["other"] < 0.95


def test_counts_of_users_with_one_ad_each_are_nearly_plain() -> None:
    clicked = np.arange(1_000) % 10 == 0
    arm, even = np.zeros(1_000, np.int64), np.full((1_000, 2), 0.5)
    outcomes = outcomes_of(np.arange(1_000), arm, clicked, even, arm)
    shown, clicks = effective_counts(outcomes, experiment())["control"]
    assert shown == pytest.approx(1_000, rel=0.1)
    assert clicks == pytest.approx(shown / 10)


def test_nobody_is_dealt_an_arm_outside_of_the_run(store: FeatureStore) -> None:
    trial = experiment(end=START + DAY)
    running = RunningExperiments({"trial": trial}, store.log, DAY)
    assert running.assign("ann", START - timedelta(seconds=1)) is None
    assert running.assign("ann", START) is not None
    assert running.assign("ann", START + DAY) is None
