"""Of adloom's own ads only its own exposures tell that they were shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adloom.feature_store.event_log import EventKind, EventLog
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.labels import unshown_clicks
from adloom.loop.learning.rounds.plan import choose_clicks, new_clicks
from adloom.loop.learning.showings import believed
from adloom.loop.learning.training_set import clicked_ads
from adloom.loop.settings.learning import RoundSettings
from tests.loop.learning.showings import (
    NOON,
    Row,
    event,
    frame,
    keep_drawn_ads,
    logged,
    shown_and_clicked,
)
from tests.loop_parts import keep_shop_ads
from tests.stocked import past_ads_of

DAY = timedelta(days=1)
LATER = NOON + 2 * DAY
ROUNDS = RoundSettings()


@pytest.fixture
def past_ads(tmp_path: Path) -> PastAds:
    return past_ads_of(tmp_path / "home")


@pytest.fixture
def drawn(past_ads: PastAds) -> list[Creative]:
    return keep_drawn_ads(past_ads.creatives, 20)


def users_labelled(past_ads: PastAds, *rows: Row) -> list[str]:
    events = believed(logged(*rows), past_ads.creatives)
    return [click.user_id for click in clicked_ads(events, attribution=DAY)]


def test_sixty_posted_clicks_on_an_ad_that_was_never_served_teach_nothing(
    past_ads: PastAds, drawn: list[Creative], tmp_path: Path
) -> None:
    """An impression and a click each, newer than a hundred honest clicks."""
    honest = shown_and_clicked("exposure", drawn[:10], [f"user-{n % 50}" for n in range(100)])
    posted = shown_and_clicked("impression", [drawn[19]], ["mallory"] * 60, first=200)
    log = EventLog(tmp_path / "log")
    log.append([event(row, number) for number, row in enumerate([*honest, *posted])])
    events = believed(log.read(), past_ads.creatives)
    rounds = ROUNDS.model_copy(update={"heldout_share": 0.4})
    chosen = choose_clicks(events, rounds, since=None, until=LATER)
    assert len(chosen.heldout) == 40
    assert {"mallory"}.isdisjoint(c.user_id for c in (*chosen.train, *chosen.heldout))
    assert chosen.unshown == 60
    assert new_clicks(events, ROUNDS, since=None, until=LATER) == 100
    trends = ClickTrends(chosen.train, past_ads).now()
    assert drawn[19].title not in {ad.title for trend in trends.values() for ad in trend}


@pytest.mark.parametrize(
    ("rows", "labelled"),
    [
        ([("exposure", 0, "ann"), ("click", 1, "ann")], 1),
        ([("impression", 0, "ann"), ("click", 1, "ann")], 0),
        ([("click", 1, "ann")], 0),
        ([("click", 0, "ann"), ("exposure", 1, "ann")], 0),
        ([("exposure", 0, "bob"), ("click", 1, "ann")], 0),
        ([("exposure", 0, "ann"), ("click", 24 * 60, "ann")], 1),
        ([("exposure", 0, "ann"), ("click", 24 * 60 + 1, "ann")], 0),
        # The page's word of it a day later gives the exposure no second window.
        ([("exposure", 0, "ann"), ("impression", 1440, "ann"), ("click", 1500, "ann")], 0),
        ([("exposure", 0, "ann"), *[("click", n, "ann") for n in range(1, 9)]], 1),
    ],
)
def test_a_click_on_an_ad_of_adlooms_counts_once_where_adloom_showed_it_to_its_shopper(
    past_ads: PastAds,
    drawn: list[Creative],
    rows: list[tuple[EventKind, float, str]],
    labelled: int,
) -> None:
    found = users_labelled(past_ads, *[(*row, drawn[0]) for row in rows])
    assert found == ["ann"] * labelled


def test_of_the_shops_own_ads_the_shops_impressions_tell(past_ads: PastAds) -> None:
    (own,) = keep_shop_ads(past_ads.creatives, 1)
    assert users_labelled(past_ads, ("impression", 0, "ann", own), ("click", 1, "ann", own))
    assert users_labelled(past_ads, ("exposure", 0, "ann", own), ("click", 1, "ann", own))
    assert not users_labelled(past_ads, ("impression", 0, "bob", own), ("click", 1, "ann", own))
    assert not users_labelled(past_ads, ("click", 1, "ann", own))


def test_an_exposure_of_another_product_than_the_ads_is_none_of_adlooms(
    past_ads: PastAds, drawn: list[Creative]
) -> None:
    rows: list[Row] = [("exposure", 0, "ann", drawn[0]), ("click", 1, "ann", drawn[0])]
    forged = frame([event(rows[0], 0, item_id="another"), event(rows[1], 1, item_id="another")])
    assert clicked_ads(believed(forged, past_ads.creatives), attribution=DAY) == []


def test_the_product_of_a_shops_ad_is_what_its_record_says(past_ads: PastAds) -> None:
    own, other = keep_shop_ads(past_ads.creatives, 2)
    rows: list[Row] = [("impression", 0, "ann", own), ("click", 1, "ann", own)]
    told = frame([event(row, n, item_id=other.product_id) for n, row in enumerate(rows)])
    (click,) = clicked_ads(believed(told, past_ads.creatives), attribution=DAY)
    assert click.item_id == own.product_id


def test_ads_that_nobody_knows_and_events_without_one_tell_nothing(
    past_ads: PastAds, drawn: list[Creative]
) -> None:
    row: Row = ("exposure", 0, "ann", drawn[0])
    strange = frame([event(row, 0, ad_id="of-another-shop"), event(row, 1, ad_id=None)])
    assert believed(strange, past_ads.creatives).empty
    assert believed(logged(), past_ads.creatives).empty


def test_clicks_on_what_was_not_shown_are_counted(drawn: list[Creative]) -> None:
    a, b = drawn[:2]
    log = logged(
        ("click", 0, "ann", a),  # before it was shown
        ("exposure", 1, "ann", a),
        ("click", 2, "ann", a),
        ("click", 3, "ann", b),
        ("click", 4, "bob", a),
        ("click", 9, "bob", b),
    )
    assert unshown_clicks(log, until=LATER) == 4
    assert unshown_clicks(log, since=NOON + timedelta(minutes=3), until=LATER) == 3
    assert unshown_clicks(log, until=NOON + timedelta(minutes=4)) == 2
    assert unshown_clicks(logged(), until=LATER) == 0
