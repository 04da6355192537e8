"""What people read beside the figures says what the figures mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.notes import notes
from tests.experiment_data import experiment, outcomes_of, simulated, simulated_thompson


def test_intervals_of_one_look_say_so() -> None:
    judged = judge(simulated(2_000, users=500, seed=0), experiment())
    (only,) = notes(judged, experiment())
    assert "for one look" in only
    assert "28 to 34 of 100" in only


def test_a_weighted_rate_says_so_beside_clicks_over_ads() -> None:
    definition = experiment(allocation="thompson")
    judged = judge(simulated_thompson(4_000, users=800, seed=0, batch=500), definition)
    other = judged.arms["other"]
    told = notes(judged, definition)[1]
    assert "The rate is weighted" in told
    assert f"{other.clicks / other.impressions:.2%} in other" in told


def test_shares_that_never_moved_are_not_blamed_for_a_weighted_rate() -> None:
    definition = experiment(max_user_exposures=5)
    outcomes = simulated(4_000, users=400, seed=0)
    judged = judge(outcomes, definition)
    told = notes(judged, definition)[1]
    limited = sum(arm.limited_users for arm in judged.arms.values())
    assert f"{limited} users weigh as much as with 5 ads" in told
    assert "moved" not in told
    one_arm = np.full(len(outcomes), 0.5)
    steady = judge(replace(outcomes, propensity=one_arm), experiment(max_user_exposures=None))
    assert len(notes(steady, definition)) == 1


def test_the_split_is_told_as_it_was_found() -> None:
    good, definition = simulated(4_000, users=800, seed=0), experiment()
    told = judge(good, definition).split_sentence
    assert told.startswith("Nothing speaks against the split")
    assert "not tested" in judge(good.head(0), definition).split_sentence
    lopsided = good.where((good.arm == 0) | (good.user % 2 == 0))
    found = judge(lopsided, definition)
    assert found.verdict == "bad_split"
    assert found.split_sentence.startswith("The split is not as defined, p = ")
    assert "as defined" not in told.replace("as it is defined", "")


def test_three_arms_say_how_the_chance_of_error_is_shared() -> None:
    definition = experiment(arms={"control": {}, "one": {}, "two": {}})
    rng = np.random.default_rng(0)
    who = rng.integers(0, 500, 3_000)
    outcomes = outcomes_of(
        who,
        rng.integers(0, 3, 500)[who],
        rng.random(3_000) < 0.1,
        np.full((3_000, 3), 1 / 3),
        np.zeros(3_000, np.int64),
        arms=("control", "one", "two"),
    )
    assert "2 comparisons" in notes(judge(outcomes, definition), definition)[-1]
    assert "2.5% each" in notes(judge(outcomes, definition), definition)[-1]


def test_an_empty_experiment_has_its_notes() -> None:
    judged = judge(simulated(50, users=20, seed=0).head(0), experiment())
    assert len(notes(judged, experiment())) == 1
