"""A person reads an experiment in the studio, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.loop.experiments.reading_log import START, log_in, sell_in
from tests.loop.serving.in_chromium import (
    errors,
    fill,
    open_page,
    serving,
    text,
    texts,
    wait,
)
from tests.loop.serving.studio_parts import KEY, studio_settings

pytestmark = pytest.mark.slow
ARMS = {"control": {}, "other": {"guidance": 5.0}}
# Names of arms and metrics are letters and digits; what outcomes are called is the shop's.
MARKUP = "<img src=x onerror=document.title='run'>"
METRICS = {
    "sales": {"event": MARKUP},
    "ads": {"kind": "ads_per_user", "role": "guardrail", "margin": 0.1},
}
CHARTS = """
return [...document.querySelectorAll("#experiment svg")].map(
    (chart) => [chart.getAttribute("aria-label"), chart.querySelectorAll("circle").length])
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome) -> Iterator[str]:
    """After the browser: without one nothing need be served."""
    end = datetime.now(UTC) + timedelta(days=2)
    trial = {"arms": ARMS, "start": START, "end": end, "metrics": METRICS}
    settings = studio_settings(
        tmp_path_factory.mktemp("studio"),
        experiments={"trial": trial},
        kafka={"topics": {"outcomes": "adloom.outcomes"}},
    )
    sell_in(log_in(settings.home / "features/events", ads=1_500), name=MARKUP)
    with serving(settings) as address:
        yield address


def read_experiments(browser: webdriver.Chrome, address: str, width: int) -> None:
    open_page(browser, f"{address}/#experiments", width)
    wait(browser, "#key-row:not([hidden])")
    fill(browser, "key", KEY + Keys.TAB)
    wait(browser, "#metrics table")


def test_a_person_reads_verdict_lifts_and_metrics(browser: webdriver.Chrome, address: str) -> None:
    read_experiments(browser, address, 1280)
    verdict = text(browser, "#experiment .verdict")
    assert verdict.startswith("trial: ship")
    assert "other is better than control in sales, and breaks no guardrail" in verdict
    charts = browser.execute_script(CHARTS)
    assert [name for name, _ in charts] == ["Lift of other by day", "Lift of other in sales by day"]
    assert all(circles > 9 for _, circles in charts)
    assert text(browser, "#lifts").startswith("other: +")
    assert "Nothing speaks against the split" in text(browser, "#split")
    cells = texts(browser, "#metrics tbody td")
    columns = len(texts(browser, "#metrics thead th"))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    assert [row[:3] for row in rows] == [
        ["sales", "decision", "control"],
        ["sales", "decision", "other"],
        ["ads", "guardrail", "control"],
        ["ads", "guardrail", "other"],
    ]
    assert rows[0][5] == "the control"
    assert rows[1][5].startswith("+")
    assert " to +" in rows[1][7]
    assert rows[1][8] == "better"
    assert errors(browser) == []


PLACES = """
const place = (point) => [Date.parse(point.dataset.at), +point.getAttribute("cx")];
return [...document.querySelectorAll("svg.curves")].map((chart) =>
    [...chart.querySelectorAll("circle")].map(place))
"""


MARKS = "return [...document.querySelectorAll('#curves .time')].map((mark) => mark.textContent)"


def test_charts_are_on_a_true_axis_of_time(browser: webdriver.Chrome, address: str) -> None:
    read_experiments(browser, address, 1280)
    charts = browser.execute_script(PLACES)
    assert len(charts) == 3  # what was clicked of each variant, and the two lifts
    for chart in charts:
        (first, left), (last, right) = min(chart), max(chart)
        for at, x in chart:
            share = (at - first) / (last - first)
            assert x == pytest.approx(left + share * (right - left), abs=0.2)
    marks = browser.execute_script(MARKS)
    assert 2 <= len(marks) <= 4
    assert len(set(marks)) == len(marks)


def test_what_outcomes_are_called_is_text(browser: webdriver.Chrome, address: str) -> None:
    read_experiments(browser, address, 1280)
    told = text(browser, "#metrics li")
    assert f"value of {MARKUP} a user" in told
    assert browser.find_elements(By.CSS_SELECTOR, "#experiment img") == []
    assert browser.title == "adloom studio"


def test_an_experiment_fits_a_phone(browser: webdriver.Chrome, address: str) -> None:
    read_experiments(browser, address, 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
