"""Ads that are drawn behind: one that fails, or that nobody waits for, holds up no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.store import NO_CODES, Creative
from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.pool.taste import NOTHING_KNOWN
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.behind import Behind
from adloom.loop.serving.in_time.chosen import Found
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Serving

PRODUCT = next(iter(load_catalog().values()))


class Away:
    """Pictures that nobody can read."""

    def load(self, name: str) -> Image.Image:
        raise PicturesAway("the pictures are away")


def found(user: str, **product: object) -> Found:
    asked = AdRequest(user, replace(PRODUCT, **product), 1)  # type: ignore[arg-type]
    return Found(asked, Serving("champion", 1, None), "1", NOTHING_KNOWN, False, time.monotonic())


def behind(submit: Callable[[AdRequest], Future[Ad]]) -> Behind:
    return Behind(submit, lambda: True, lambda ad, found: None, lambda ad, found: None, most=4)


def test_pictures_that_are_away_fail_that_ad_alone_and_it_can_be_asked_for_again() -> None:
    begun: list[str] = []

    def submit(request: AdRequest) -> Future[Ad]:
        begun.append(request.user_id)
        return Future()

    drawing = behind(submit)
    lost = drawing.draw(found("ann", pictures=Away(), cutout_name="away"))
    drawing.draw(found("bob"))
    drawing.begin()
    assert begun == ["bob"]
    with pytest.raises(PicturesAway):
        lost.result(timeout=0)
    assert drawing.draw(found("ann")) is not lost


def test_one_that_nobody_waits_for_any_more_ends_all_the_same() -> None:
    under_way: Future[Ad] = Future()
    drawing = behind(lambda request: under_way)
    promised = drawing.draw(found("ann"))
    drawing.begin()
    assert promised.cancel()
    under_way.set_exception(OSError("it came to nothing"))
    assert drawing.draw(found("ann")) is not promised
    assert promised.cancelled()


def test_what_waits_for_a_person_is_told_and_its_time_counts() -> None:
    under_way: Future[Ad] = Future()
    told: list[str] = []
    drawing = Behind(
        lambda request: under_way,
        lambda: True,
        lambda ad, found: told.append("joined"),
        lambda creative, found: told.append(f"{creative.ad_id} for {found.request.user_id}"),
        most=4,
    )
    promised = drawing.draw(found("ann"))
    drawing.begin()
    draft = Creative(
        ad_id="held",
        product_id=PRODUCT.product_id,
        title="A title",
        picture="",
        codes=NO_CODES,
        background_codes=NO_CODES,
        variant="champion",
        version="1",
        seed=1,
        served_at=datetime.now(UTC),
        state="draft",
    )
    under_way.set_exception(NotShown(draft, ()))
    drawing.settle()
    assert told == ["held for ann"]
    assert drawing.seconds > 0
    with pytest.raises(NotShown):
        promised.result(timeout=0)
