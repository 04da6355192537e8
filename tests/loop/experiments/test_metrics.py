"""Metrics of the settings: sums over users, judged by the arm of their first ad."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.happened import Happened, happened
from adloom.loop.experiments.metric_words import metric_sentence
from adloom.loop.experiments.metrics import MetricResult, metric_results
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.report import ExperimentReport, report_experiment, report_outcomes
from adloom.loop.settings import Settings
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.ratios import arm_ratios
from tests.experiment_data import DAY, START, experiment, outcomes_of, simulated
from tests.sample_events import logged

LATER = START + timedelta(days=30)
CLICKS = {"clicks": {"kind": "clicks_per_user"}}
SALES = {"sales": {"event": "purchase"}}


def judged(outcomes: Outcomes, definition: Experiment, done: Happened | None = None) -> Any:
    return report_outcomes(outcomes, "trial", definition, LATER, done)


def visited(
    seed: int, *, visits: tuple[float, float], rates: tuple[float, float], users: int = 4_000
) -> Outcomes:
    """Users who see so many ads, on average, and click at such rates, by arm.

    They come first within half a day, whatever their arm, and again within half a day from then.
    """
    rng = np.random.default_rng(seed)
    arm = rng.integers(2, size=users)
    ads = 1 + rng.poisson(np.array(visits)[arm] - 1)
    who = np.repeat(np.arange(users), ads)
    first = np.concatenate([[True], who[1:] != who[:-1]])
    after = np.where(first, 0.0, rng.uniform(0, DAY / 2, len(who)))
    shown_at = START.timestamp() + rng.uniform(0, DAY / 2, users)[who] + after
    order = np.argsort(shown_at)
    who, shown_at = who[order], shown_at[order]
    clicked = rng.random(len(who)) < np.array(rates)[arm[who]]
    even = np.full((len(who), 2), 0.5)
    batch = np.zeros(len(who), np.int64)
    return outcomes_of(who, arm[who], clicked, even, batch, shown_at=shown_at)


def bought(outcomes: Outcomes, chance: tuple[float, float], seed: int = 0) -> Happened:
    """Some users of each arm buy once, an hour after their first ad, for about 50."""
    rng = np.random.default_rng(seed)
    users, first = np.unique(outcomes.user, return_index=True)
    buys = rng.random(len(users)) < np.array(chance)[outcomes.arm[first]]
    at = outcomes.shown_at[first][buys] + 3_600
    return Happened(
        users[buys],
        at,
        rng.lognormal(4, 0.5, len(at)),
        np.full(len(at), "purchase", dtype=object),
        np.full(len(at), "", dtype=object),
    )


def test_an_arm_with_more_visits_at_a_lower_rate_wins_on_clicks_a_user() -> None:
    """It earns a third more clicks; its click-through rate alone refuses it.

    That more ads are shown is then no sign of a bad split.
    """
    outcomes = visited(0, visits=(4, 8), rates=(0.12, 0.08))
    rate = {"rate": {"kind": "click_through_rate"}}
    watched = {"ads": {"kind": "ads_per_user", "role": "guardrail"}}
    by_rate = judged(outcomes, experiment(metrics=rate | watched))
    assert (by_rate.judgement.verdict, by_rate.judgement.winner) == ("keep_control", "control")
    by_users = judged(outcomes, experiment(metrics=CLICKS))
    assert (by_users.judgement.verdict, by_users.judgement.winner) == ("ship", "other")
    change = by_users.metrics["clicks"].arms["other"].change
    assert change is not None
    assert 0.2 < change.value < 0.5
    assert "clicks" in by_users.judgement.reason


def test_ads_a_user_count_what_a_guardrail_holds() -> None:
    outcomes = visited(1, visits=(8, 4), rates=(0.05, 0.2))
    fewer = {"ads": {"kind": "ads_per_user", "role": "guardrail", "margin": 0.1}}
    found = judged(outcomes, experiment(metrics=fewer))
    assert found.judgement.verdict == "keep_control"
    assert "breaks ads" in found.judgement.reason
    assert found.as_json()["metrics"]["ads"]["arms"]["other"]["broken"]
    wanted = {"ads": {"kind": "ads_per_user", "goal": "decrease"}}
    assert judged(outcomes, experiment(metrics=wanted)).judgement.winner == "other"


def test_sales_decide_and_clicks_do_not() -> None:
    outcomes = visited(2, visits=(5, 5), rates=(0.2, 0.1))
    done = bought(outcomes, (0.1, 0.2))
    found = judged(outcomes, experiment(metrics=SALES), done)
    assert (found.judgement.verdict, found.judgement.winner) == ("ship", "other")
    both = experiment(metrics=SALES | {"rate": {"kind": "click_through_rate"}})
    torn = judged(outcomes, both, done)
    assert torn.judgement.verdict == "keep_control"  # better in one, worse in the other
    assert torn.metrics["sales"].alpha == both.alpha / 2


def test_equal_arms_are_not_told_apart() -> None:
    """A/A: hardly any verdict, by any of three metrics at any of four looks."""
    wrong = 0
    metrics = CLICKS | SALES | {"ads": {"kind": "ads_per_user"}}
    definition = experiment(metrics=metrics)
    for seed in range(12):
        outcomes = visited(seed, visits=(3, 3), rates=(0.1, 0.1), users=1_200)
        done = bought(outcomes, (0.1, 0.1), seed)
        for users in range(300, 1_201, 300):
            seen = outcomes.where(outcomes.user < users)
            wrong += judged(seen, definition, done).judgement.verdict in ("ship", "keep_control")
    assert wrong <= 1


def test_intervals_of_sales_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(100):
        outcomes = visited(seed, visits=(3, 3), rates=(0.1, 0.1), users=800)
        done = bought(outcomes, (0.2, 0.2), seed)
        results = metric_results(outcomes, done, experiment(metrics=SALES), until=LATER.timestamp())
        change = results["sales"].arms["other"].change
        assert change is not None
        held += change.interval.low <= 0 <= change.interval.high
    assert 90 <= held <= 99


def test_the_error_is_that_of_leaving_each_user_out() -> None:
    rng = np.random.default_rng(0)
    above, below = rng.poisson(1.0, 60).astype(float), rng.poisson(2.0, 60).astype(float)
    nobody, ones = np.zeros(60, np.int64), np.ones(60)
    found = arm_ratios(above, below, arm=nobody, weight=ones, arms=1)
    without = (above.sum() - above) / (below.sum() - below)
    rate = above.sum() / below.sum()
    assert found.rate[0] == pytest.approx(rate)
    jackknife = np.sqrt(((without - rate) ** 2).sum() * 59 / 60)
    assert found.error[0] == pytest.approx(jackknife)


def shopper(shown: list[float], clicked: list[bool], arm: list[int]) -> Outcomes:
    """One user, whose ads were shown so many hours after the start."""
    nobody = np.zeros(len(shown), np.int64)
    return outcomes_of(
        nobody,
        np.array(arm),
        np.array(clicked),
        np.full((len(shown), 2), 0.5),
        nobody,
        shown_at=START.timestamp() + np.array(shown) * 3_600,
    )


def sums(outcomes: Outcomes, metric: dict[str, Any], hours: float, **more: Any) -> MetricResult:
    definition = experiment(metrics={"m": metric}, **more)
    at = START.timestamp() + np.array([-1.0, 1.0, 23.0, 24.0]) * 3_600
    named, of_none = np.full(4, "purchase", dtype=object), np.full(4, "", dtype=object)
    done = Happened(np.zeros(4, np.int64), at, np.array([1.0, 2.0, 4.0, 8.0]), named, of_none)
    until = START.timestamp() + hours * 3_600
    return metric_results(outcomes, done, definition, until=until)["m"]


def test_a_user_counts_from_the_first_ad_for_the_window_once_it_is_over() -> None:
    outcomes = shopper([0, 5, 30], [False, True, True], [0, 0, 0])
    for metric, total, over in (
        ({"kind": "ads_per_user"}, 2, 24),
        ({"kind": "clicks_per_user"}, 1, 48),  # an ad of the last moment may still be clicked
        ({"event": "purchase"}, 6, 24),
        ({"event": "purchase", "value": "count"}, 2, 24),
        ({"event": "purchase", "cap": 5}, 5, 24),
        ({"event": "purchase", "window_hours": 30}, 14, 30),
        ({"event": "visit"}, 0, 24),
    ):
        before, after = (sums(outcomes, metric, hours) for hours in (over - 0.1, over))
        assert (before.arms["control"].users, before.arms["control"].open_users) == (0, 1)
        assert (after.arms["control"].users, after.arms["control"].total) == (1, total)


def test_a_user_stays_in_the_arm_of_the_first_ad() -> None:
    found = sums(shopper([0, 5], [False, True], [1, 0]), {"kind": "clicks_per_user"}, 48)
    assert (found.arms["control"].users, found.arms["other"].total) == (0, 1)


def test_what_one_user_sees_is_limited_as_for_the_rate() -> None:
    hours = np.linspace(0, 1, 10).tolist()
    busy = shopper(hours, [True] * 10, [0] * 10)
    found = sums(busy, {"kind": "clicks_per_user"}, 48, max_user_exposures=4)
    assert found.arms["control"].total == 4


def test_too_few_buyers_decide_nothing() -> None:
    outcomes = visited(3, visits=(3, 3), rates=(0.1, 0.4), users=400)
    found = judged(outcomes, experiment(metrics=SALES), bought(outcomes, (0.02, 0.02)))
    assert found.judgement.verdict == "collecting"
    assert "(sales)" in found.judgement.reason
    nothing = judged(outcomes, experiment(metrics=SALES))
    assert nothing.judgement.verdict == "collecting"
    json.dumps(nothing.as_json(), allow_nan=False)


def test_guardrails_alone_leave_the_decision_to_the_click_through_rate() -> None:
    outcomes = simulated(20_000, users=4_000, seed=0, lift=0.5)
    rail = {"ads": {"kind": "ads_per_user", "role": "guardrail"}}
    found: ExperimentReport = judged(outcomes, experiment(metrics=rail))
    assert (found.judgement.verdict, found.judgement.winner) == ("ship", "other")
    assert "click-through rate" in found.judgement.reason


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ({}, "event: name the outcomes"),
        ({"kind": "ads_per_user", "event": "purchase"}, "event: goes with kind outcomes"),
        ({"kind": "ads_per_user", "per": "ad"}, "per: goes with kind outcomes"),
        ({"event": "return", "role": "guardrail"}, 'goal: say which way is good for return: .*"d'),
    ],
)
def test_a_metric_that_says_too_little_or_too_much_is_refused(
    metric: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        experiment(metrics={"m": metric})


def test_a_rise_of_what_does_harm_breaks_its_guardrail() -> None:
    outcomes = visited(4, visits=(3, 3), rates=(0.1, 0.2))
    done = bought(outcomes, (0.1, 0.3))
    definition = SALES["sales"] | {"role": "guardrail"}
    for goal, verdict in (("decrease", "keep_control"), ("increase", "ship")):
        rail = experiment(metrics={"returns": definition | {"goal": goal}})
        assert judged(outcomes, rail, done).judgement.verdict == verdict


def test_events_that_come_after_the_window_are_counted_and_told() -> None:
    outcomes = shopper([0], [False], [0])
    found = sums(outcomes, {"event": "purchase"}, 48)
    assert (found.late, found.window_hours) == (1, 24)
    told = metric_sentence("m", found, experiment(metrics={"m": {"event": "purchase"}}))
    assert "within 24 hours of a user's first ad" in told
    assert "1 event came after the window" in told
    wide = sums(outcomes, {"event": "purchase", "window_hours": 30}, 48)
    assert (wide.late, wide.window_hours) == (0, 30)
    assert sums(outcomes, {"event": "visit"}, 48).late == 0


def test_an_event_that_nobody_ever_sent_is_told_beside_those_that_came(tmp_path: Path) -> None:
    outcomes = visited(5, visits=(3, 3), rates=(0.1, 0.1), users=400)
    misspelt = experiment(metrics={"sales": {"event": "purchse"}})
    sent = replace(Happened(), seen=("purchase", "visit"))
    told = judged(outcomes, misspelt, sent).as_json()["warnings"]
    assert any(
        "sales: no event purchse has been seen" in one
        and one.endswith("the log has: purchase, visit")
        for one in told
    )
    assert "no outcomes of them at all" in judged(outcomes, misspelt).warnings[0]
    few = outcomes.where(outcomes.user < 10)
    assert judged(few, misspelt, sent).warnings == []
    rail = experiment(
        metrics=SALES | {"r": {"event": "rtrn", "role": "guardrail", "goal": "decrease"}}
    )
    many = visited(5, visits=(3, 3), rates=(0.1, 0.1), users=2_000)
    shipped = judged(many, rail, bought(many, (0.1, 0.5)))
    assert shipped.judgement.verdict == "ship"
    assert shipped.judgement.reason.endswith("not certain to be held yet: r")
    sentence = shipped.as_json()["metrics"]["r"]["sentence"]
    assert "an arm has fewer than 20 users who did anything" in sentence
    assert judged(outcomes, experiment(metrics=SALES), sent).warnings == []


def test_users_must_stay_in_their_arm() -> None:
    with pytest.raises(ValidationError, match="allocation must be fixed"):
        experiment(metrics=CLICKS, allocation="thompson")


def test_outcomes_that_nobody_reads_are_refused_at_once() -> None:
    trial = experiment(metrics=SALES)
    with pytest.raises(ValidationError, match=r"experiments\.trial\.metrics\.sales\.event: .*read"):
        Settings(experiments={"trial": trial})
    named = Settings.model_validate(
        {"experiments": {"trial": trial}, "kafka": {"topics": {"outcomes": "adloom.outcomes"}}}
    )
    assert named.experiments["trial"].metrics["sales"].event == "purchase"


def test_outcomes_come_from_the_log(tmp_path: Path) -> None:
    """Those of its users, by their names; what says nothing of value is left out."""
    log = EventLog(tmp_path / "log")
    names: NDArray[Any] = np.array(["ann", "bob"])
    said = [{"name": "purchase", "value": 3.0}, {"name": "visit", "value": 1.0}, {"name": "x"}]
    events = [
        logged(
            offset,
            kind="outcome",
            user_id=user,
            ts=START + timedelta(hours=1 + offset),
            extra=json.dumps(extra),
        )
        for offset, (user, extra) in enumerate(
            [(user, extra) for user in ("bob", "eve") for extra in said]
        )
    ]
    log.append(events)
    log.append(events[:1])  # it comes again
    outcomes = replace(simulated(4, users=2, seed=0), users=tuple(names.tolist()))
    done = happened(log, outcomes, experiment(metrics=SALES), until=LATER)
    assert (done.user.tolist(), done.value.tolist()) == ([1], [3.0])
    assert set(done.seen) == {"purchase", "visit", "x"}
    assert done.at.tolist() == [START.timestamp() + 3_600]
    found = report_experiment(
        log, "trial", experiment(metrics=SALES), attribution=timedelta(hours=24), until=LATER
    )
    assert found.metrics["sales"].arms["control"].users == 0
