"""Past clicks as the generator reads them: ads, and products where no ad is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.creatives.reviewing import ban
from adloom.loop.catalogue.creatives.store import NO_CODES
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.models.settings import Coarse
from tests.kept_pictures import file_of
from tests.loop_parts import keep_shop_ads
from tests.stocked import past_ads_of
from tests.tiny_model import TINY

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def past_ads(tmp_path: Path) -> PastAds:
    return past_ads_of(tmp_path / "home")


def history(*clicks: tuple[str, str]) -> UserHistory:
    times = tuple(NOON + timedelta(minutes=n) for n in range(len(clicks)))
    return UserHistory(tuple(c[0] for c in clicks), times, tuple(c[1] for c in clicks))


def test_a_click_without_a_known_ad_is_read_as_its_product(past_ads: PastAds) -> None:
    [ad] = keep_shop_ads(past_ads.creatives, 1)
    mug = past_ads.catalogue["coffee-mug"]
    clicks = history(
        (ad.product_id, ad.ad_id), ("coffee-mug", ""), ("coffee-mug", "gone"), ("nothing", "")
    )
    read = past_ads.representing(clicks, mug, 10)
    assert sorted(one.title for one in read) == sorted([ad.title, mug.name, mug.name])
    [of_ad] = [one for one in read if one.ad_id]
    assert (of_ad.picture, of_ad.product_id) == (ad.picture, ad.product_id)
    assert (of_ad.codes == ad.codes).all()
    of_product = next(one for one in read if not one.ad_id)
    assert of_product.picture == mug.picture_name
    assert of_product.codes.shape == (TINY.image_tokens,)


def test_ads_that_were_looked_at_change_the_order_and_are_not_read(past_ads: PastAds) -> None:
    ads = keep_shop_ads(past_ads.creatives, 12)
    first, second = ads[:2]
    clicks = history((first.product_id, first.ad_id), (second.product_id, second.ad_id))
    product = past_ads.catalogue["coffee-mug"]

    def order(seen: tuple[str, ...], weight: float = 0.4) -> list[str]:
        known = replace(clicks, seen=seen)
        return [ad.ad_id for ad in past_ads.representing(known, product, 10, seen_weight=weight)]

    looked = {ad.ad_id: order((ad.ad_id,) * 9) for ad in (first, second)}
    assert looked[first.ad_id] == [first.ad_id, second.ad_id]
    assert looked[second.ad_id] == [second.ad_id, first.ad_id]
    assert order((second.ad_id,) * 9, weight=0.0) == order(())
    assert sorted(order(("gone", *(ad.ad_id for ad in ads[2:])))) == sorted(order(()))
    ban(past_ads.creatives, [second.ad_id], why="too dark", by="Ann")
    assert order((second.ad_id,) * 9) == order((second.ad_id,) * 9, weight=0.0)


def test_codes_of_a_drawn_ad_are_made_of_its_picture_once_a_history_reads_it(
    past_ads: PastAds, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ad] = keep_shop_ads(past_ads.creatives, 1)
    drawn = replace(ad, ad_id="drawn", variant="champion", version="1", codes=NO_CODES)
    past_ads.creatives.add([drawn])
    click = history((drawn.product_id, drawn.ad_id))
    mug = past_ads.catalogue["coffee-mug"]
    [first] = past_ads.representing(click, mug, 10)
    picture = past_ads.creatives.picture(drawn.picture)
    assert first.codes.tolist() == past_ads._codes._encode([picture])[0].tolist()
    monkeypatch.delattr(past_ads._codes, "_encode")
    [again] = past_ads.representing(click, mug, 10)
    assert again.codes.tolist() == first.codes.tolist()


def test_ads_that_agree_are_read_before_the_nearest_and_products_last(past_ads: PastAds) -> None:
    odd, one, *_ = keep_shop_ads(past_ads.creatives, 2)
    alike = [
        replace(one, ad_id=f"alike-{n}", product_id=p)
        for n, p in enumerate(("laptop", "sunglasses"))
    ]
    past_ads.creatives.add(alike)
    read_of = [("coffee-mug", ""), *((ad.product_id, ad.ad_id) for ad in (*alike, odd, one))]
    read = past_ads.representing(history(*read_of), past_ads.catalogue[odd.product_id], 10)
    ids = [ad.ad_id for ad in read]
    assert set(ids[:3]) == {one.ad_id, *(ad.ad_id for ad in alike)}
    assert ids[3:] == [odd.ad_id, ""]
    assert sorted(ad.title_rank for ad in read) == [0, 1, 2, 3, 4]
    sampled = past_ads.representing(
        history(*read_of), past_ads.catalogue[odd.product_id], 10, coarse="similarity"
    )
    assert sampled[0].ad_id == odd.ad_id  # as the paper has it


def test_retired_products_are_read(past_ads: PastAds) -> None:
    past_ads.catalogue.retire(["coffee-mug"])
    read = past_ads.representing(
        history(("coffee-mug", "")), past_ads.catalogue["running-shoes"], 10
    )
    assert [one.product_id for one in read] == ["coffee-mug"]


def test_a_click_whose_picture_is_lost_or_damaged_is_left_out(past_ads: PastAds) -> None:
    catalogue = past_ads.catalogue
    file_of(catalogue.pictures, catalogue["coffee-mug"].picture_name).unlink()
    file_of(catalogue.pictures, catalogue["laptop"].picture_name).write_bytes(b"no picture")
    clicks = history(*((item, "") for item in ("laptop", "coffee-mug", "wrist-watch")))
    read = past_ads.representing(clicks, catalogue["running-shoes"], 10)
    assert [one.product_id for one in read] == ["wrist-watch"]


@pytest.mark.parametrize("coarse", ["representative", "similarity"])
def test_a_product_that_the_catalogue_has_not_finds_its_representatives(
    past_ads: PastAds, coarse: Coarse
) -> None:
    own = replace(past_ads.catalogue["running-shoes"], product_id="upload-1")
    clicks = history(*((item, "") for item in ("laptop", "hiking-boots", "red-lipstick")))
    read = past_ads.representing(clicks, own, 2, coarse=coarse)
    assert len(read) == 2
    assert past_ads.representing(clicks, own, 0, coarse=coarse) == ()
    assert past_ads.representing(UserHistory(), own, 5, coarse=coarse) == ()
    if coarse == "representative":
        assert read[0].product_id == "hiking-boots"


def test_codes_of_a_products_picture_are_made_once_for_a_codebook(past_ads: PastAds) -> None:
    asked: list[int] = []

    def encode(pictures: Sequence[Image.Image]) -> np.ndarray:
        asked.append(len(pictures))
        assert {picture.size for picture in pictures} == {(512, 512)}
        return np.arange(len(pictures) * 4, dtype=np.int16).reshape(-1, 4)

    catalogue = past_ads.catalogue
    products = [catalogue["coffee-mug"], catalogue["laptop"]]
    codes = PictureCodes(catalogue.engine, "one", encode).of(products)
    again = PictureCodes(catalogue.engine, "one", encode).of([*products, catalogue["wrist-watch"]])
    assert asked == [2, 1]
    assert (again["laptop"] == codes["laptop"]).all()
    PictureCodes(catalogue.engine, "another", encode).of(products)
    assert asked == [2, 1, 2]


def test_of_products_no_more_are_looked_at_than_are_read(past_ads: PastAds) -> None:
    asked: list[int] = []

    def encode(pictures: Sequence[Image.Image]) -> np.ndarray:
        asked.append(len(pictures))
        return np.zeros((len(pictures), TINY.image_tokens), dtype=np.int16)

    catalogue = past_ads.catalogue
    codes = PictureCodes(catalogue.engine, "few", encode)
    few = PastAds(catalogue, past_ads.creatives, codes, past_ads._reader)
    clicks = history(*((entry.product.product_id, "") for entry in catalogue.page(limit=9)))
    assert len(few.representing(clicks, catalogue["running-shoes"], 3)) == 3
    assert asked == [3]


def test_what_was_clicked_is_shown_once_with_its_latest_click(past_ads: PastAds) -> None:
    [ad] = keep_shop_ads(past_ads.creatives, 1)
    clicks = history(
        ("coffee-mug", ""),
        (ad.product_id, ad.ad_id),
        ("nothing", "gone"),
        ("laptop", "gone"),
        ("coffee-mug", ""),
    )
    shown = past_ads.clicked(clicks)
    assert [one.product_id for one, _ in shown] == [ad.product_id, "laptop", "coffee-mug"]
    assert shown[-1][1] == NOON + timedelta(minutes=4)


def test_an_ad_that_was_kept_with_other_codes_is_read_by_its_picture_made_once(
    past_ads: PastAds,
) -> None:
    asked: list[tuple[int, int]] = []

    def encode(pictures: Sequence[Image.Image]) -> np.ndarray:
        asked.extend(picture.size for picture in pictures)
        return np.arange(len(pictures) * 4, dtype=np.int16).reshape(-1, 4)

    codes = PictureCodes(past_ads.catalogue.engine, "small", encode)
    small = PastAds(past_ads.catalogue, past_ads.creatives, codes, past_ads._reader)
    ad, lost = keep_shop_ads(past_ads.creatives, 2)
    file_of(past_ads.creatives.pictures, lost.picture).unlink()
    clicks = history((ad.product_id, ad.ad_id), (lost.product_id, lost.ad_id))
    for _ in range(2):
        [read] = small.representing(clicks, past_ads.catalogue["coffee-mug"], 10)
        assert (read.ad_id, read.codes.tolist()) == (ad.ad_id, [0, 1, 2, 3])
    assert asked == [(64, 64)]
