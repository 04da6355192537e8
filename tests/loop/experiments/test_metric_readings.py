"""Metrics of the settings by day, by part of the shop, and in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.reading.page import page_of
from adloom.loop.experiments.reading.reading import ExperimentReading, read_experiment
from adloom.loop.experiments.reading.sentences import sentences
from tests.experiment_data import experiment
from tests.loop.experiments.reading_log import START, log_in, sell_in
from tests.loop.experiments.test_reading import DAY, products

METRICS: dict[str, dict[str, Any]] = {
    "sales": {"event": "purchase"},
    "clicks": {"kind": "clicks_per_user", "window_hours": 72},
    "ads": {"kind": "ads_per_user", "role": "guardrail", "margin": 0.1, "window_hours": 1},
}


def read(log: EventLog, **changes: Any) -> ExperimentReading:
    trial = experiment(start=START, **{"metrics": METRICS} | changes)
    return read_experiment(log, "trial", trial, attribution=DAY, products=products)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    log = log_in(tmp_path_factory.mktemp("metrics") / "log")
    sell_in(log)
    return log


@pytest.fixture(scope="module")
def reading(log: EventLog) -> ExperimentReading:
    return read(log)


def test_the_last_day_says_of_each_metric_what_the_report_says(reading: ExperimentReading) -> None:
    for name, found in reading.report.metrics.items():
        for arm, told in found.arms.items():
            last = reading.days[-1].metrics[name][arm]
            assert last.users == told.users
            assert last.value == pytest.approx(told.value)
            if told.change is not None:
                assert last.lift == told.change.value
                assert last.low == told.change.interval.low
                assert last.always_valid_low == told.change.always_valid.low


def test_the_interval_of_a_metric_closes_day_by_day(reading: ExperimentReading) -> None:
    sales = [day.metrics["sales"]["other"] for day in reading.days]
    users = [one.users for one in sales]
    assert users == sorted(users)
    assert users[0] < users[-1]
    highs = [one.always_valid_high or np.inf for one in sales]
    assert highs[-1] < highs[1]


def test_parts_of_the_users_are_all_users(reading: ExperimentReading) -> None:
    for kind in ("shoppers", "language"):
        for name, found in reading.report.metrics.items():
            for arm, told in found.arms.items():
                parts = [s.metrics[name][arm] for s in reading.segments if s.kind == kind]
                assert sum(part.users for part in parts) == told.users
                total = sum(part.users * (part.value or 0.0) for part in parts)
                assert total == pytest.approx(told.total)


def test_categories_add_up_to_the_metric_over_all_users(reading: ExperimentReading) -> None:
    for name, found in reading.report.metrics.items():
        for arm, told in found.arms.items():
            parts = [s.metrics[name][arm] for s in reading.segments if s.kind == "category"]
            assert {part.users for part in parts} == {told.users}
            assert sum(part.value or 0.0 for part in parts) == pytest.approx(told.value)


def test_metrics_and_clicks_of_all_parts_are_one_family(reading: ExperimentReading) -> None:
    tested = [
        (figures.p_value, segment.q_value(metric, arm))
        for segment in reading.segments
        for metric, arm, figures in segment.lifts
        if figures.p_value is not None
    ]
    assert len(tested) > 2 * len(reading.segments)
    alone, together = np.array(tested, float).T
    assert together == pytest.approx(false_discovery_control(alone))
    told = " ".join(sentences(reading))
    assert "all parts, by clicks and by every metric, are held against each other" in told
    assert "shoppers new, other, sales (+" in told


def test_outcomes_without_a_product_are_told_by_no_category(tmp_path: Path) -> None:
    log = log_in(tmp_path / "log", ads=800)
    sell_in(log, items=("mug", ""))
    found = read(log)
    named = {kind: set(s.metrics) for s in found.segments for kind in [s.kind]}
    assert named["category"] == {"clicks", "ads"}
    assert named["language"] == named["shoppers"] == set(METRICS)
    assert "sales is not told by category" in " ".join(sentences(found))
    assert set(found.as_json()["not_by_category"]) == {"sales"}


def test_what_was_bought_and_never_advertised_has_its_category_too(tmp_path: Path) -> None:
    log = log_in(tmp_path / "log", ads=800)
    sell_in(log, items=("sofa", "carpet"))
    parts = {s.name: s.metrics["sales"]["control"] for s in read(log).segments}
    assert (parts["Living"].value or 0) > 0
    assert parts["Kitchen"].value == 0
    assert (parts["not in the catalogue"].value or 0) > 0


def test_each_metric_has_a_verdict_and_a_sentence(log: EventLog) -> None:
    found = read(log).as_json()["metrics"]
    verdicts = {name: told["arms"]["other"]["verdict"] for name, told in found.items()}
    assert verdicts == {"sales": "better", "clicks": "undecided", "ads": "undecided"}
    assert found["sales"]["arms"]["control"]["verdict"] == "control"
    assert found["sales"]["sentence"] == (
        "sales (value of purchase a user, within 24 hours of a user's first ad; decides; "
        "more is better): "
        "other is better than control for certain."
    )
    assert "guardrail; it may fall by 10.0% at most" in found["ads"]["sentence"]
    wished = METRICS["sales"] | {"goal": "decrease"}
    worse = read(log, metrics={"sales": wished}).as_json()["metrics"]["sales"]
    assert worse["arms"]["other"]["verdict"] == "worse"
    tolerant = read(log, goal="non_inferiority").as_json()["metrics"]["sales"]
    assert tolerant["arms"]["other"]["verdict"] == "not_worse"
    rail = {"sales": wished | {"role": "guardrail"}}
    broken = read(log, metrics=rail).as_json()["metrics"]["sales"]
    assert broken["arms"]["other"]["verdict"] == "broken"
    assert broken["sentence"].endswith("other goes beyond 5.0% for certain.")


def test_all_of_it_is_json(reading: ExperimentReading) -> None:
    told = json.loads(json.dumps(reading.as_json(), allow_nan=False))
    assert set(told["by_day"][0]["metrics"]) == set(METRICS)
    assert set(told["segments"][0]["metric_q_values"]) == set(METRICS)


def test_the_page_has_each_metric_and_draws_those_that_decide(tmp_path: Path) -> None:
    log = log_in(tmp_path / "log", ads=800)
    sell_in(log, name="<b>buy")
    page = page_of(read(log, metrics=METRICS | {"sales": {"event": "<b>buy"}}))
    labels = re.findall(r'aria-label="(Lift of other[^"]* by day)', page)
    assert labels == [f"Lift of other{of} by day" for of in ("", " in sales", " in clicks")]
    table = page[page.index('id="metrics"') :]
    assert "value of &lt;b&gt;buy a user" in table
    assert "<b>buy" not in page
    for cell in ("<strong>ads</strong>", ">guardrail<", ">decision<", 'class="good">better<'):
        assert cell in table


def test_metrics_that_nobody_counts_in_yet_are_told_too(tmp_path: Path) -> None:
    found = read(EventLog(tmp_path / "log"))
    assert (found.days, found.segments) == ([], [])
    assert "has too few users to tell" in page_of(found)
    told = found.as_json()["metrics"]["sales"]["arms"]
    assert [arm["verdict"] for arm in told.values()] == ["control", "collecting"]
    json.dumps(found.as_json(), allow_nan=False)
