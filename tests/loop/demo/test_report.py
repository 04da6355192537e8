"""The report page holds everything it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.demo.report.charts import RatePoint, loss_chart, rate_chart
from adloom.loop.demo.report.page import Expected, RoundClicks, RunReport, Trait, write_report
from adloom.loop.demo.report.pictures import inline_img, out_of_focus
from adloom.loop.demo.report.showcase import save_showcase
from adloom.loop.demo.shop.creatives import seed_creatives
from tests.loop.demo.reports import ALONE, LEARNT, WHEN, changed, report, story


class Addresses(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [v or "" for k, v in attrs if k in ("src", "href") and tag != "a"]


def test_the_page_asks_the_network_nothing(tmp_path: Path) -> None:
    made, *history = seed_creatives(5, seed=1)
    write_report(report([story(made, history)]), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Addresses()
    parser.feed(page)
    assert len(parser.loaded) == 5
    assert all(address.startswith("data:image/webp;base64,") for address in parser.loaded)
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_shows_ads_rates_versions_and_lost_events(tmp_path: Path) -> None:
    made, *history = seed_creatives(4, seed=2)
    write_report(report([story(made, history)]), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert made.product.name in page
    assert "38.1%" in page  # 61 of 160
    assert "@champion" in page
    assert re.search(r"Lost</td><td class=\"good\">0<", page)
    assert "not json" in page


@pytest.mark.parametrize("drift_from", [None, 2])
def test_learning_is_shown_beside_an_ideal_reader(tmp_path: Path, drift_from: int | None) -> None:
    rounds = Expected([0.2, 0.3], [(0.1, 0.3), (0.2, 0.4)])
    expected = dict.fromkeys(("learning", "frozen", "ideal", "oracle"), rounds)
    beside = replace(LEARNT, expected=expected, drift_from=drift_from)
    write_report(replace(report([]), beside=beside), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<title>Expected of an ideal reader of the clicks before</title>" in page
    assert '<li class="ideal">' in page
    assert ("knows what is in fashion" in page) == (drift_from is not None)


def test_the_page_holds_learning_against_the_frozen_base_and_an_oracle(tmp_path: Path) -> None:
    write_report(report([]), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Learning closed 74 %" in page
    assert "+103%" in page
    assert page.count("<title>The base, frozen</title>") == 1
    assert page.count("<title>An oracle that knows every taste</title>") == 1
    assert 'title="held-out loss 4.07"' in page


def test_a_title_cannot_bring_its_own_markup(tmp_path: Path) -> None:
    made, *history = seed_creatives(2, seed=3)
    bad = '"><script>alert(1)</script>'
    write_report(report([story(made, history, bad)]), tmp_path / "report.html")
    assert "<script>" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_run_without_rounds_still_has_a_page(tmp_path: Path) -> None:
    empty = RunReport(WHEN, 1.0, 0, 0, {}, 0, [], [], ALONE, [], [], [])
    write_report(empty, tmp_path / "report.html")
    assert "No round was trained" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_interval_holds_the_rate() -> None:
    low, high = RoundClicks("Round 1", "version 1", 160, 52).interval()
    assert low < 52 / 160 < high
    assert RoundClicks("Round 1", "version 1", 0, 0).interval() == (0.0, 1.0)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9)
)
def test_a_chart_stays_inside_its_picture(rates: list[tuple[float, float, float]]) -> None:
    points = [
        RatePoint(f"{n}", "", mid, low, high)
        for n, (low, mid, high) in enumerate(sorted(r) for r in rates)
    ]
    heights = [float(y) for y in re.findall(r'cy="([-0-9.]+)"', rate_chart(points))]
    assert all(0 <= y <= 300 for y in heights)


def test_a_flat_loss_is_drawn() -> None:
    assert "polyline" in loss_chart([2.0, 2.0, 2.0])
    assert loss_chart([2.0]) == ""


@pytest.mark.parametrize(
    "title", ["Hi", "word " * 60, "Unbreakable" * 30, "", "  spaces   all   over  ", "新しい靴"]
)
def test_any_title_makes_a_card(title: str) -> None:
    card = finish_ad(Image.new("RGB", (512, 512), "teal"), title)
    assert card.size == (512, 640)


def test_the_card_keeps_the_picture_as_it_was() -> None:
    picture = seed_creatives(1, seed=4)[0].picture(256)
    card = finish_ad(picture, "A title")
    assert card.crop((0, 0, 256, 256)).tobytes() == picture.tobytes()


def test_the_showcase_shows_histories_beside_ads(tmp_path: Path) -> None:
    made, *history = seed_creatives(5, seed=5)
    full, short = story(made, history), story(made, history[:2])
    save_showcase([short, full, full, full], tmp_path / "showcase.png")
    with Image.open(tmp_path / "showcase.png") as sheet:
        assert sheet.width > 1_000
        two_rows = sheet.height
    save_showcase([full], tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.height < two_rows


def test_the_page_says_what_learning_changed_and_what_a_shopper_saw(tmp_path: Path) -> None:
    made, *history = seed_creatives(5, seed=1)
    told = replace(
        report([replace(story(made, history), traits=(Trait("forest", 3),), all_clicks=14)]),
        changes=[changed(made, history)],
    )
    write_report(told, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Before: 4 %" in page
    assert "After: 21 %" in page
    assert "4 of 14 were read" in page
    assert "forest <b>3 of 4</b>" in page
    assert "http-equiv" not in page


def test_the_page_of_a_run_that_goes_on_reads_itself_again_and_says_what_is_to_come(
    tmp_path: Path,
) -> None:
    made, *history = seed_creatives(3, seed=1)
    unseen = replace(story(made, history), clicked=None)
    told = replace(report([unseen]), to_come=["round 2: learn"])
    write_report(told, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in page
    assert "<li>round 2: learn</li>" in page
    assert "not shown yet" in page
    assert f'href="ads/{unseen.file}"' not in page  # there is no card yet


def test_what_was_not_used_is_out_of_focus_and_the_rest_is_as_it_was() -> None:
    stripes = Image.new("RGB", (80, 80), "white")
    for left in range(0, 80, 4):
        stripes.paste((200, 30, 30), (left, 0, left + 2, 80))
    soft = out_of_focus(stripes, ("11110000",) * 8)
    assert soft.crop((0, 0, 20, 80)).tobytes() == stripes.crop((0, 0, 20, 80)).tobytes()
    green = np.asarray(soft)[40, 60:, 1]
    assert green.max() < 200  # no stripe is left white
    assert out_of_focus(stripes, ()) is stripes


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (40, 40)])
def test_a_picture_keeps_its_proportions_in_the_page(size: tuple[int, int]) -> None:
    tag = inline_img(Image.new("RGB", size), 120, 'a "word"')
    width, height = (int(found) for found in re.findall(r'(?:width|height)="(\d+)"', tag))
    assert width == min(120, size[0])
    assert abs(width * size[1] - height * size[0]) <= max(size)
    assert "a &#34;word&#34;" in tag


def test_a_run_without_histories_has_no_showcase(tmp_path: Path) -> None:
    save_showcase([], tmp_path / "showcase.png")
    assert not (tmp_path / "showcase.png").exists()
