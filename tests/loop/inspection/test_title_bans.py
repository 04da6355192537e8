"""A word that is banned takes the finished ads with it that say it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.reviewing import judge, reviews_of
from adloom.loop.catalogue.creatives.store import NO_CODES, SHOP, Creative, CreativeStore
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.words.banned import BannedWords
from adloom.loop.catalogue.words.titles import TitleWords
from adloom.loop.database.tables import pool
from adloom.loop.inspection.titles import (
    SaysBanned,
    approve,
    ban_by_words,
    ban_new_by_words,
    banned_word,
    newest_of_shop,
)
from adloom.loop.settings.database import DatabaseSettings
from adloom.loop.settings.titles import TitleSettings
from adloom.models.titles.rules import TitleRules


class Shop(NamedTuple):
    catalogue: Catalogue
    creatives: CreativeStore
    words: BannedWords
    titles: TitleWords


@pytest.fixture
def shop(tmp_path: Path, database: DatabaseSettings) -> Iterator[Shop]:
    catalogue = open_catalogue(tmp_path, None, database)
    sold = (
        Product("mug", "Billig Becher", language="de"),
        Product("bowl", "Schale", language="de"),
        Product("cup", "Cup"),
    )
    catalogue.put([Entry(product, stamp="") for product in sold], {})
    creatives = open_creatives(tmp_path, database)
    words = BannedWords(catalogue.engine)
    titles = TitleWords(TitleSettings(), lambda language: (), words.of)
    yield Shop(catalogue, creatives, words, titles)
    creatives.close()
    catalogue.close()


def kept(shop: Shop, ad_id: str, product_id: str, title: str, variant: str = "champion") -> None:
    picture = shop.creatives.put_picture(Image.new("RGB", (8, 8), "red"))
    now = datetime.now(UTC)
    ad = Creative(ad_id, product_id, title, picture, NO_CODES, NO_CODES, variant, "1", 7, now)
    shop.creatives.add([ad])


def pooled(shop: Shop, ad_id: str, product_id: str, title: str) -> None:
    kept(shop, ad_id, product_id, title)
    now = datetime.now(UTC)
    row = {
        "ad_id": ad_id,
        "product_id": product_id,
        "drawn_by": "1",
        "joined_at": now,
        "likeness": b"",
    }
    with shop.catalogue.engine.begin() as connection:
        connection.execute(pool.insert(), [row])


def states(shop: Shop) -> dict[str, str]:
    return {ad.ad_id: ad.state for ad in shop.creatives.page()}


def test_ads_that_say_it_in_its_language_are_banned_but_for_a_name_that_has_it(
    shop: Shop,
) -> None:
    pooled(shop, "named", "mug", "Billig Becher: aus Ton")
    pooled(shop, "says", "bowl", "Schale: BILLIG, aus Ton")
    pooled(shop, "other", "bowl", "Schale: preiswert")
    pooled(shop, "english", "cup", "Cup: billig")
    shop.words.review("de", "billig", banned=True, why="", by="Ann")
    assert ban_by_words(shop.catalogue, shop.titles.rules) == 1
    assert states(shop) == {
        "named": "approved",
        "says": "banned",
        "other": "approved",
        "english": "approved",
    }
    [review] = reviews_of(shop.catalogue.engine, ["says"])["says"]
    assert (review.by, review.why) == ("word list", "its title says 'billig', which is banned")
    assert ban_by_words(shop.catalogue, shop.titles.rules) == 0


def test_the_shops_own_ads_that_say_it_are_banned_too_many_at_a_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.loop.inspection.titles._ADS_AT_ONCE", 2)
    for number in range(5):
        kept(shop, f"own-{number}", "bowl", "Schale: billig", SHOP)
    kept(shop, "own-fine", "bowl", "Schale: fein", SHOP)
    kept(shop, "own-named", "mug", "Billig Becher", SHOP)
    kept(shop, "own-before", "bowl", "Billig: Schale", SHOP)
    judge(shop.catalogue.engine, ["own-before"], "draft", why="", by="Ann")
    kept(shop, "one-person's", "bowl", "Schale: billig")  # drawn, shown to nobody else
    shop.words.review("de", "billig", banned=True, why="", by="Ann")
    assert ban_by_words(shop.catalogue, shop.titles.rules) == 5
    banned = {ad_id for ad_id, state in states(shop).items() if state == "banned"}
    assert banned == {f"own-{number}" for number in range(5)}
    assert ban_by_words(shop.catalogue, shop.titles.rules) == 0


def test_what_comes_in_after_a_ban_is_held_to_it_and_what_was_there_is_not_read_again(
    shop: Shop,
) -> None:
    kept(shop, "before", "bowl", "Schale: billig", SHOP)
    shop.words.review("de", "billig", banned=True, why="", by="Ann")
    newest = newest_of_shop(shop.catalogue.engine)
    kept(shop, "after", "bowl", "Schale: billig", SHOP)
    kept(shop, "fine", "bowl", "Schale: fein", SHOP)
    assert ban_new_by_words(shop.catalogue, shop.titles.rules, newest) == 1
    assert states(shop) == {"before": "approved", "after": "banned", "fine": "approved"}


@pytest.mark.parametrize(
    ("title", "calls"),
    [
        ("Billig & Gut Kanne, fein", "Billig & Gut Kanne"),
        ("Billig, billig! Billig & Gut Kanne", "Billig & Gut Kanne"),
        ("Fein: Billig-Kanne", "Billig-Kanne"),
        ("Billig! Billig-Kanne", "Billig-Kanne"),
        ("Billig und fein", ""),
    ],
)
def test_a_finished_title_is_held_to_what_a_drawn_one_is(title: str, calls: str) -> None:
    product = Product("can", "Billig & Gut Kanne", short_name="Billig-Kanne", language="de")
    rules = TitleRules("de", banned=("billig",))
    objection = rules.objection(title, calls)
    word = banned_word(title, product, rules)
    assert objection == (word and f"says {word!r}, which is banned")


def test_a_name_that_titles_shorten_at_a_mark_is_a_name() -> None:
    product = Product("can", "Billig & Gut Kanne (groß, rot)", language="de")
    rules = TitleRules("de", banned=("billig",))
    assert banned_word("Fein: Billig & Gut Kanne", product, rules) is None
    assert banned_word("Billig: Billig & Gut Kanne", product, rules) == "billig"


def test_nobody_approves_an_ad_that_says_a_banned_word_until_it_is_allowed(shop: Shop) -> None:
    pooled(shop, "says", "bowl", "Schale: billig")
    pooled(shop, "fine", "bowl", "Schale: fein")
    judge(shop.catalogue.engine, ["says", "fine"], "draft", why="", by="Ann")
    shop.words.review("", "billig", banned=True, why="", by="Ann")

    def let(*ad_ids: str) -> set[str]:
        of = shop.catalogue, shop.creatives, shop.titles.rules
        return approve(*of, ad_ids, why="good", by="Ben")

    with pytest.raises(SaysBanned, match="'says' says 'billig', which is banned: allow the word"):
        let("fine", "says")
    assert set(states(shop).values()) == {"draft"}
    assert let("fine", "unknown") == {"fine"}
    shop.words.review("", "billig", banned=False, why="", by="Ann")
    assert let("says") == {"says"}
