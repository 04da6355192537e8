"""One shopper has a bounded share of what a round learns from, is judged by, and of trends."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.rounds.plan import NotEnoughClicks, choose_clicks, new_clicks
from adloom.loop.learning.shares import fair, fair_pairs, newest_of_many, share_of_one
from adloom.loop.learning.training_set import ClickedAd, ShownAd
from adloom.loop.settings.learning import RoundSettings
from tests.loop.learning.test_training_set import DAY, Row, events
from tests.loop_parts import keep_shop_ads
from tests.stocked import past_ads_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + 10 * DAY
ROUNDS = RoundSettings(heldout_share=0.25)
FEW = 4


def clicks_of(users: list[str]) -> list[ClickedAd]:
    moments = [NOON + timedelta(minutes=minute) for minute in range(len(users))]
    return [
        ClickedAd(f"ad-{n}", user, "boot", at - timedelta(seconds=30), at)
        for n, (user, at) in enumerate(zip(users, moments, strict=True))
    ]


def log_of(users: list[str]) -> list[Row]:
    """Each is shown the next ad and clicks it."""
    shown: list[Row] = [("exposure", n, user, f"ad-{n}") for n, user in enumerate(users)]
    return [*shown, *[("click", n + 0.5, user, f"ad-{n}") for n, user in enumerate(users)]]


crowds = st.lists(st.integers(0, 30).map(str), max_size=120)
heavy = st.tuples(crowds, st.integers(0, 200)).map(lambda drawn: drawn[0] + ["heavy"] * drawn[1])
shares = st.floats(0.02, 1.0)


@given(heavy.flatmap(st.permutations), shares)
def test_nobody_has_more_than_the_share(users: list[str], share: float) -> None:
    clicks = clicks_of(users)
    kept = fair(clicks, share)
    counts = Counter(click.user_id for click in kept)
    assert counts.keys() == set(users)
    largest = max(counts.values(), default=0)
    assert largest <= max(FEW, share_of_one(len(counts), share) * len(kept) + 1e-9)
    places = {click: n for n, click in enumerate(clicks)}
    assert [places[c] for c in kept] == sorted({places[c] for c in kept})


@given(crowds, shares)
def test_nothing_is_left_out_where_nobody_has_more(users: list[str], share: float) -> None:
    counts = Counter(users)
    allowed = max(FEW, share_of_one(len(counts), share) * len(users) - 1e-9)
    if all(count <= allowed for count in counts.values()):
        assert fair(clicks_of(users), share) == clicks_of(users)


@given(heavy.flatmap(st.permutations), shares, st.integers(1, 60))
def test_heldout_clicks_are_of_many_and_leave_something_to_learn(
    users: list[str], share: float, wanted: int
) -> None:
    clicks = clicks_of(users)
    if len(clicks) < 2:
        return
    found = newest_of_many(clicks, wanted, share)
    assert 0 < len(found) <= wanted
    assert found[0] != clicks[0]
    largest = max(Counter(click.user_id for click in found).values())
    assert largest <= max(1, share_of_one(len(set(users)), share) * wanted)


def test_one_shoppers_many_do_not_push_the_others_out() -> None:
    users = [f"user-{n % 40}" for n in range(80)] + ["heavy"] * 500
    kept = Counter(click.user_id for click in fair(clicks_of(users), 0.1, newest=100))
    assert kept.total() > 80
    assert kept["heavy"] <= 0.1 * kept.total()


def test_what_is_kept_of_a_heavy_shopper_is_spread_over_all_of_it() -> None:
    users = ["heavy" if n % 2 else f"user-{n}" for n in range(200)]
    kept = [n for n, c in enumerate(fair(clicks_of(users), 0.1)) if c.user_id == "heavy"]
    assert len(kept) == 11
    assert kept[0] < 10
    assert kept[-1] > 100
    assert max(later - former for former, later in pairwise(kept)) < 15


def test_the_only_shopper_of_a_trial_has_it_all() -> None:
    assert len(fair(clicks_of(["ann"] * 50), 0.1)) == 50
    assert len(fair(clicks_of(["ann", "bob"] * 25), 0.1)) == 50
    assert Counter(c.user_id for c in fair(clicks_of(["ann"] * 50 + ["bob"]), 0.1)) == {
        "ann": FEW,
        "bob": 1,
    }


def test_a_shopper_of_sixty_real_clicks_has_a_share_of_round_and_heldout() -> None:
    """Served and clicked, newest of all: nothing is wrong with them but their number."""
    users = [f"user-{n % 50}" for n in range(100)] + ["heavy"] * 60
    chosen = choose_clicks(events(*log_of(users)), ROUNDS, since=None, until=LATER)
    train, heldout = (Counter(c.user_id for c in part) for part in (chosen.train, chosen.heldout))
    assert train["heavy"] <= 0.1 * train.total()
    assert 0 < heldout["heavy"] <= 0.1 * heldout.total()
    assert len(heldout) > 20
    assert max(c.clicked_at for c in chosen.train) < min(c.clicked_at for c in chosen.heldout)
    assert chosen.beyond_share == {"heavy": 60 - train["heavy"] - heldout["heavy"]}


def test_where_nobody_has_more_than_a_share_nothing_changes() -> None:
    users = [f"user-{n % 30}" for n in range(160)]
    chosen = choose_clicks(events(*log_of(users)), ROUNDS, since=None, until=LATER)
    assert [c.ad_id for c in chosen.train] == [f"ad-{n}" for n in range(120)]
    assert [c.ad_id for c in chosen.heldout] == [f"ad-{n}" for n in range(120, 160)]
    assert chosen.beyond_share == {}
    assert chosen.unshown == 0


def test_replayed_clicks_and_pairs_are_of_many_too() -> None:
    old = [f"user-{n % 20}" for n in range(100)] + ["heavy"] * 100
    new = [f"user-{n % 20}" for n in range(60)]
    left: list[Row] = [("exposure", 200, "heavy", "ad-left")]
    rows = [*log_of(old + new), *left]
    everything_sells = events(*rows).assign(item_id="boot")
    since = NOON + timedelta(minutes=200)
    chosen = choose_clicks(everything_sells, ROUNDS, since=since, until=LATER)
    replayed = Counter(c.user_id for c in chosen.replay)
    assert replayed.total() > 100
    assert replayed["heavy"] <= 0.1 * replayed.total()
    # Another shopper left one ad of what they all bought: not every click is held against it.
    assert 0 < len(chosen.pairs) <= 0.1 * len(chosen.train)


def test_one_shopper_alone_among_others_begins_no_round() -> None:
    users = [f"user-{n}" for n in range(4)] + ["heavy"] * 100
    log = events(*log_of(users))
    assert new_clicks(log, ROUNDS, since=None, until=LATER) < ROUNDS.min_clicks
    with pytest.raises(NotEnoughClicks, match=r"more are beyond rounds\.max_user_share"):
        choose_clicks(log, ROUNDS, since=None, until=LATER)


def test_the_share_is_a_setting() -> None:
    users = [f"user-{n % 50}" for n in range(100)] + ["heavy"] * 60
    log = events(*log_of(users))
    every = ROUNDS.model_copy(update={"max_user_share": 1.0})
    chosen = choose_clicks(log, every, since=None, until=LATER)
    assert {c.user_id for c in chosen.heldout} == {"heavy"}
    assert chosen.beyond_share == {}


@pytest.fixture
def past_ads(tmp_path: Path) -> PastAds:
    return past_ads_of(tmp_path / "home")


def of_one_category(past_ads: PastAds) -> tuple[str, list[Creative]]:
    by_category: dict[str, list[Creative]] = {}
    for ad in keep_shop_ads(past_ads.creatives, 120):
        by_category.setdefault(load_catalog()[ad.product_id].category, []).append(ad)
    return max(by_category.items(), key=lambda found: len(found[1]))


def test_a_shopper_has_one_voice_for_an_ad_in_a_trend(past_ads: PastAds) -> None:
    category, (pushed, *ads) = of_one_category(past_ads)
    honest = [(f"user-{n}", ads[n % 3]) for n in range(18)]
    clicks = [
        ClickedAd(ad.ad_id, user, ad.product_id, at, at)
        for n, (user, ad) in enumerate([*honest, *[("heavy", pushed)] * 50])
        for at in [NOON + timedelta(minutes=n)]
    ]
    trend = ClickTrends(clicks, past_ads).now()[category]
    assert [ad.title for ad in trend][-1] == pushed.title
    assert len(trend) == 4


def test_a_shopper_has_few_of_all_voices_in_a_trend(past_ads: PastAds) -> None:
    category, ads = of_one_category(past_ads)
    assert len(ads) > 12
    honest = [(f"user-{n}", ads[n % 4]) for n in range(18)]
    pushed = [("heavy", ad) for ad in ads[4:] for _ in range(2)]
    clicks = [
        ClickedAd(ad.ad_id, user, ad.product_id, at, at)
        for n, (user, ad) in enumerate([*honest, *pushed])
        for at in [NOON + timedelta(minutes=n)]
    ]
    trends = ClickTrends(clicks, past_ads)
    end = NOON + timedelta(hours=9)
    for found in (trends.now()[category], trends.before(category, end, besides="")):
        assert {ad.title for ad in found[:4]} == {ad.title for ad in ads[:4]}
        assert len(found) == 6


def test_what_one_shopper_left_is_not_held_against_all_that_others_clicked() -> None:
    left = [ShownAd(f"l{n}", "heavy" if n % 2 else f"user-{n}", "boot", NOON) for n in range(60)]
    pairs = [(clicks_of([f"buyer-{n}"])[0], ad) for n, ad in enumerate(left)]
    kept = Counter(unclicked.user_id for _, unclicked in fair_pairs(pairs, 0.1))
    assert kept["heavy"] == 6
    assert kept.total() == 36
    assert fair_pairs(pairs, 1.0) == pairs
