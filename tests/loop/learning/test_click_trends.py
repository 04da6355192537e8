"""What everybody clicked in a category, as it stood at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.training_set import ClickedAd
from tests.loop_parts import keep_shop_ads
from tests.stocked import past_ads_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def past_ads(tmp_path: Path) -> PastAds:
    return past_ads_of(tmp_path / "home")


def click(ad: Creative, minute: float, user: str = "ann") -> ClickedAd:
    at = NOON + timedelta(minutes=minute)
    return ClickedAd(ad.ad_id, user, ad.product_id, at - timedelta(minutes=1), at)


def same_category(ads: list[Creative], n: int) -> tuple[str, list[Creative]]:
    by_category: dict[str, list[Creative]] = {}
    for ad in ads:
        by_category.setdefault(load_catalog()[ad.product_id].category, []).append(ad)
    category = max(by_category, key=lambda name: len(by_category[name]))
    return category, by_category[category][:n]


def test_only_earlier_clicks_are_seen_the_most_clicked_ads_first(past_ads: PastAds) -> None:
    category, (a, b, c) = same_category(keep_shop_ads(past_ads.creatives, 40), 3)
    clicks = [click(a, 1), click(b, 2), click(a, 3, "bob"), click(c, 9)]
    trends = ClickTrends(clicks, past_ads)

    def titles(minute: float, besides: str = "") -> list[str]:
        moment = NOON + timedelta(minutes=minute)
        return [ad.title for ad in trends.before(category, moment, besides)]

    assert titles(1) == []
    assert titles(2.5) == [b.title, a.title]
    assert titles(4) == [a.title, b.title]
    assert titles(10, besides=a.ad_id) == [c.title, b.title]
    assert [ad.title for ad in trends.now()[category]] == [a.title, c.title, b.title]


def test_categories_do_not_mix_and_unknown_ads_tell_nothing(past_ads: PastAds) -> None:
    ads = keep_shop_ads(past_ads.creatives, 40)
    unknown = ClickedAd("nobody's", "ann", ads[0].product_id, NOON, NOON)
    trends = ClickTrends([*(click(ad, n) for n, ad in enumerate(ads)), unknown], past_ads)
    category = {ad.title: load_catalog()[ad.product_id].category for ad in ads}
    found = trends.now()
    assert set(found) == set(category.values())
    for name, clicked in found.items():
        assert 0 < len(clicked) <= 10
        assert {category[ad.title] for ad in clicked} == {name}
