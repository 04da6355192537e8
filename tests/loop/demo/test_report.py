"""The report page holds everything it shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.demo.report.charts import RatePoint, loss_chart, rate_chart
from adloom.loop.demo.report.page import (
    AdStory,
    ArmShown,
    Comparison,
    HistoryPicture,
    RoundClicks,
    RoundTraining,
    RunReport,
    VersionRow,
    write_report,
)
from adloom.loop.demo.report.showcase import save_showcase
from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALONE = Comparison([], [], 2, None, [], "")
LEARNT = Comparison(
    frozen=[None, 0.31, 0.12],
    oracle=[None, 0.5, 0.4],
    drift_from=2,
    recovered=0.74,
    arms=[
        ArmShown("frozen", 160, 30, 0.1875, 0.13, 0.26, ""),
        ArmShown("learning", 160, 61, 0.381, 0.31, 0.46, "+103%"),
    ],
    verdict="learning has the higher rate",
)


def story(made: SeedCreative, history: list[SeedCreative], title: str | None = None) -> AdStory:
    return AdStory(
        user_id="shopper-0001",
        product_name=made.product.name,
        title=title or made.title,
        card=finish_ad(made.picture(256), title or made.title),
        file=f"{made.ad_id}.png",
        version=2,
        round_number=1,
        clicked=True,
        history=tuple(HistoryPicture(ad.title, ad.picture(112)) for ad in history),
    )


def report(stories: list[AdStory]) -> RunReport:
    return RunReport(
        made_at=WHEN,
        seconds=312.0,
        events_produced=4_325,
        events_consumed=4_320,
        dead_letters={"not_json": 2, "future_timestamp": 3},
        ads_served=320,
        stories=stories,
        clicks=[
            RoundClicks("Shop", "no model", 3_000, 420),
            RoundClicks("Round 1", "version 1", 160, 52),
            RoundClicks("Round 2", "version 2", 160, 61),
        ],
        beside=LEARNT,
        trainings=[
            RoundTraining(1, 2, 40, 12, 4.21, 4.02, True, (), (5.1, 4.8, 4.4, 4.5, 4.1), 64.0),
            RoundTraining(
                2, 3, 81, 27, 4.05, 4.07, False, ("held-out loss 4.07",), (4.4, 4.2, 4.1), 61.0
            ),
        ],
        versions=[
            VersionRow(1, "", "base", (), WHEN, ""),
            VersionRow(2, "version 1", "passed", ("champion",), WHEN, "03:00 and 03:04"),
            VersionRow(3, "version 2", "failed", (), WHEN, "03:04 and 03:08"),
        ],
        next_commands=[("Serve ads", "ADLOOM_HOME=out/home adloom serve")],
    )


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


def test_a_run_without_histories_has_no_showcase(tmp_path: Path) -> None:
    save_showcase([], tmp_path / "showcase.png")
    assert not (tmp_path / "showcase.png").exists()
