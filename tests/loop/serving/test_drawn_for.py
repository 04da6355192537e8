"""For the same clicks an ad is drawn once: the next one would be no better. It tells of a taste."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adloom.loop.catalogue.product import Product
from adloom.loop.pool.taste import NOTHING_KNOWN, DrawnAd
from adloom.loop.serving.in_time import drawn_for
from adloom.loop.serving.in_time.chosen import Found
from adloom.loop.serving.in_time.drawn_for import DrawnFor
from adloom.loop.serving.requests import AdRequest, Serving

MUG = Product("mug", "Mug")


def found(*clicked: str, user: str = "ann", product: Product = MUG, by: str = "1") -> Found:
    request = AdRequest(user, product, 1)
    serving = Serving("champion", 1, None)
    return Found(request, serving, by, NOTHING_KNOWN, False, 0.0, clicked=clicked)


def test_one_was_drawn_until_the_next_click() -> None:
    known = DrawnFor()
    known.note("ad", found("one", "two"))
    assert known.drawn(found("one", "two"))
    assert not known.drawn(found("one", "two", "three"))
    known.note("ad", found("one", "two", "three"))
    assert known.drawn(found("one", "two", "three"))


@pytest.mark.parametrize(
    "other",
    [
        found("one", user="bob"),
        found("one", by="2"),
        found("one", product=replace(MUG, name="Tea mug")),
        found("one", product=Product("cup", "Mug")),
    ],
)
def test_for_another_shopper_product_or_version_none_was(other: Found) -> None:
    known = DrawnFor()
    known.note("ad", found("one"))
    assert not known.drawn(other)


def test_who_clicked_no_ad_is_drawn_for_again_and_so_is_everyone_the_next_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = DrawnFor()
    for clicked in ((), ("one",)):
        known.note("ad", found(*clicked))
    assert not known.drawn(found())
    monkeypatch.setattr(drawn_for, "_SECONDS", 0.0)
    assert not known.drawn(found("one"))


def test_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_for, "_KEPT", 2)
    known = DrawnFor()
    for user in ("ann", "bob", "zoe"):
        known.note("ad", found("one", user=user))
    assert [bool(known.drawn(found("one", user=user))) for user in ("ann", "bob", "zoe")] == [
        False,
        True,
        True,
    ]


def test_the_last_ads_drawn_for_a_shopper_are_known_whatever_they_sell() -> None:
    known = DrawnFor()
    cup = Product("cup", "Cup")
    known.note("first", found("one"))
    known.note("second", found("one", "two", product=cup))
    known.note("nobody's", found())
    known.note("other's", found("one", user="bob"))
    known.note("of another version", found("one", by="2"))
    assert known.ads("1", "ann") == [DrawnAd("first", 1), DrawnAd("second", 2)]
    assert known.ads("1", "bob") == [DrawnAd("other's", 1)]
    assert known.ads("1", "zoe") == []
    for number in range(9):
        known.note(f"ad-{number}", found("one", product=cup))
    assert [ad.ad_id for ad in known.ads("1", "ann")] == ["ad-5", "ad-6", "ad-7", "ad-8"]


def test_ads_drawn_for_a_shopper_are_forgotten_the_next_day_and_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawn_for, "_KEPT", 2)
    known = DrawnFor()
    for user in ("ann", "bob", "zoe"):
        known.note("ad", found("one", user=user))
    assert [len(known.ads("1", user)) for user in ("ann", "bob", "zoe")] == [0, 1, 1]
    monkeypatch.setattr(drawn_for, "_SECONDS", 0.0)
    assert known.ads("1", "zoe") == []
