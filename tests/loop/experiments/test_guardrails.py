"""What an arm costs is found in a batch that it shares, by its own work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adloom.loop.experiments.guardrails import guardrails
from adloom.loop.experiments.judgement import judge
from adloom.loop.experiments.outcomes import Outcomes
from tests.experiment_data import experiment, simulated

_TOGETHER, _STEPS = 8, 100.0


def in_shared_batches(outcomes: Outcomes, factor: float) -> Outcomes:
    """Ads drawn by eights of both arms; the second arm's take `factor` times the steps.

    Every step takes as long as its batch is large, and who comes next waits for those before: the
    time of an ad is that of its whole batch, but for a little.
    """
    rng = np.random.default_rng(0)
    n = len(outcomes)
    usual = rng.poisson(_STEPS, n).astype(np.float64)
    steps = usual * np.where(outcomes.arm == 1, factor, 1.0)
    batch = np.arange(n) // _TOGETHER
    waited = (np.bincount(batch, steps) / _TOGETHER)[batch]
    seconds = 0.001 * (waited * _TOGETHER + 0.1 * steps) * rng.lognormal(sigma=0.1, size=n)
    return replace(
        outcomes,
        row_steps=steps,
        seconds=seconds,
        drawn_together=np.full(n, _TOGETHER),
    )


def test_a_slow_arm_is_found_though_it_slows_down_everyone() -> None:
    outcomes = simulated(8_000, users=2_000, seed=0)
    usual = float(in_shared_batches(outcomes, 1.0).seconds.mean())
    slow = in_shared_batches(outcomes, 5.0)
    assert slow.seconds[slow.arm == 0].mean() > 2.5 * usual  # the control's ads too
    held = guardrails(slow, experiment())["other"]
    assert held["seconds"].high < 0.3  # between the arms it is hardly seen
    assert held["row_steps"].change == pytest.approx(4.0, abs=0.1)
    assert held["row_steps"].broken
    judged = judge(slow, experiment())
    assert (judged.verdict, judged.winner) == ("keep_control", "control")
    assert "breaks row_steps" in judged.reason


def test_an_arm_with_as_much_work_breaks_nothing() -> None:
    held = guardrails(in_shared_batches(simulated(8_000, users=2_000, seed=0), 1.0), experiment())
    assert not any(rail.broken for rail in held["other"].values())


def test_time_decides_only_where_the_work_was_not_logged() -> None:
    outcomes = simulated(8_000, users=2_000, seed=0)
    rng = np.random.default_rng(0)
    seconds = rng.lognormal(sigma=0.2, size=8_000) * np.where(outcomes.arm == 1, 2.0, 1.0)
    old = replace(outcomes, seconds=seconds)
    assert guardrails(old, experiment())["other"]["seconds"].broken
    work = rng.poisson(_STEPS, 8_000).astype(np.float64)
    told = guardrails(replace(old, row_steps=work), experiment())["other"]["seconds"]
    assert told.low > told.limit
    assert not told.decides
    assert not told.broken


def test_work_that_never_varies_is_still_compared() -> None:
    outcomes = simulated(2_000, users=500, seed=0)
    work = np.where(outcomes.arm == 1, 200.0, 100.0)
    assert guardrails(replace(outcomes, row_steps=work), experiment())["other"]["row_steps"].broken
    few = replace(outcomes, row_steps=work).head(10)
    assert not guardrails(few, experiment())["other"]["row_steps"].broken


def test_work_that_is_no_work_is_not_known() -> None:
    outcomes = simulated(200, users=50, seed=0)
    nonsense = replace(outcomes, row_steps=np.where(outcomes.arm == 1, -1.0, 0.0))
    assert "row_steps" not in guardrails(nonsense, experiment())["other"]
