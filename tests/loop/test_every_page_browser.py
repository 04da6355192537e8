"""Every page that adloom makes, in a real Chromium on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from adloom.loop import home
from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.demo.report.page import AdStory, FormatShown, Trait, write_report
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.loop.evaluation.contact_sheet import SheetRow, save_contact_sheet
from adloom.loop.experiments.reading.page import page_of
from adloom.loop.experiments.reading.reading import read_experiment
from adloom.loop.settings import Settings
from tests.loop.demo.reports import changed, report, story
from tests.loop.experiments.reading_log import START, log_in, sell_in
from tests.loop.serving.in_chromium import click, fill, open_page, serving, wait
from tests.loop.serving.page_checks import faults
from tests.loop.serving.studio_parts import KEY, studio_settings
from tests.loop_parts import keep_shop_ads

pytestmark = pytest.mark.slow
WIDTHS = pytest.mark.parametrize("width", [1280, 390])
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenhalterung mit Ösen"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome) -> Settings:
    """Ads that wait and are banned, an experiment, and clicks; after the browser: without one
    nothing need be made."""
    end = datetime.now(UTC) + timedelta(days=2)
    trial = {
        "arms": {"control": {}, "other": {"guidance": 5.0}},
        "start": START,
        "end": end,
        "metrics": {"sales": {"event": "purchase"}},
    }
    made = studio_settings(
        tmp_path_factory.mktemp("studio"),
        experiments={"trial": trial},
        kafka={"topics": {"outcomes": "adloom.outcomes"}},
    )
    sell_in(log_in(made.home / "features/events", ads=1_500))
    creatives = home.open_creatives(made)
    ads = [ad.ad_id for ad in keep_shop_ads(creatives, 9)]
    why = "the product is hardly seen: 3% of it differs from the ground, 15% has to"
    judge(creatives.engine, ads[:3], "draft", why=why, by="inspection")
    judge(creatives.engine, ads[3:5], "banned", why=LONG, by="Ann")
    creatives.close()
    return made


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    with serving(settings) as address:
        yield address


def opened(browser: webdriver.Chrome, file: Path, width: int) -> list[str]:
    open_page(browser, file.as_uri(), width)
    return faults(browser)


def wide_story() -> AdStory:
    """Of an ad and a history that are no squares, with words that have no room."""
    made, *history = seed_creatives(11, seed=6)
    told = story(made, history, LONG)
    shapes = [(300, 100), (100, 300), (57, 200)]
    pictures = [
        replace(past, picture=Image.new("RGB", shape, "teal"), title=LONG, kept=("10", "01"))
        for past, shape in zip(told.history, shapes, strict=False)
    ]
    return replace(
        told,
        user_id="a-shopper-with-an-id-of-" + "x" * 80,
        product_name=LONG,
        card=Image.new("RGB", (640, 335), "navy"),
        history=(*pictures, *told.history[3:]),
        traits=(Trait(LONG, 4),),
    )


@WIDTHS
def test_the_report_of_the_demo(browser: webdriver.Chrome, tmp_path: Path, width: int) -> None:
    made, *history = seed_creatives(11, seed=1)
    shapes = {"square": (400, 400), "landscape": (400, 209), "story": (225, 400)}
    told = replace(
        report([story(made, history), wide_story(), story(made, [])]),
        formats=[FormatShown(n, n, Image.new("RGB", s, "olive")) for n, s in shapes.items()],
        changes=[changed(made, history), changed(made, [])],
        seconds_by_step={LONG: 60.0, "Round 1": 12.5},
    )
    write_report(told, tmp_path / "report.html")
    assert opened(browser, tmp_path / "report.html", width) == []
    asked = "return document.querySelectorAll('img').length"
    assert browser.execute_script(asked) >= 40


@WIDTHS
def test_the_report_of_a_demo_that_goes_on(
    browser: webdriver.Chrome, tmp_path: Path, width: int
) -> None:
    told = replace(report([]), clicks=[], trainings=[], next_commands=[], to_come=[LONG] * 3)
    write_report(told, tmp_path / "report.html")
    assert opened(browser, tmp_path / "report.html", width) == []


def test_sheets_are_shown_as_they_are(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """A picture of many ads, which a phone shows as it shows pictures."""
    picture = seed_creatives(1, seed=2)[0].picture(128)
    row = SheetRow(
        "ann", (picture,) * 9, Image.new("RGBA", (9, 5), "red"), {"full": (picture, LONG)}
    )
    save_contact_sheet([row] * 2, tmp_path / "sheet.png")
    assert opened(browser, tmp_path / "sheet.png", 1280) == []


@WIDTHS
def test_the_page_of_an_experiment(
    browser: webdriver.Chrome, settings: Settings, tmp_path: Path, width: int
) -> None:
    log, trial = home.open_log(settings), settings.experiments["trial"]
    reading = read_experiment(
        log, "trial", trial, attribution=timedelta(days=1), products=lambda ids: {}
    )
    (tmp_path / "experiment.html").write_text(page_of(reading), encoding="utf-8")
    assert opened(browser, tmp_path / "experiment.html", width) == []


@WIDTHS
def test_the_studio_in_every_part(browser: webdriver.Chrome, address: str, width: int) -> None:
    open_page(browser, address, width)
    wait(browser, "#key-row:not([hidden])")
    fill(browser, "key", KEY + Keys.TAB)
    for part in ("[data-product]", "[data-promote], #rollback", "[data-ad]", "#metrics table"):
        wait(browser, part)
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    fill(browser, "shopper", "user-1")
    click(browser, "[data-product]")
    click(browser, "#draw")
    wait(browser, "#draw:not(:disabled)")
    wait(browser, ".ad img")
    assert faults(browser) == []
    click(browser, "[data-state=banned] .open")
    wait(browser, "#review[open]")
    assert faults(browser) == []
    click(browser, "#review-close")
    click(browser, "[data-promote]")
    wait(browser, "#confirm[open]")
    assert faults(browser) == []
    click(browser, "#confirm [value=no]")


@WIDTHS
def test_the_parts_of_the_studio_are_reached_by_what_is_seen(
    browser: webdriver.Chrome, address: str, width: int
) -> None:
    open_page(browser, address, width)
    beyond = """
    return [...document.querySelectorAll(".top nav a")].filter((link) => {
      const { left, right, height } = link.getBoundingClientRect();
      return left < 0 || right > innerWidth || height < 24;
    }).map((link) => link.textContent)"""
    assert browser.execute_script(beyond) == []
