"""The pool has the approved ads of a product, the newest first, and no more than it may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from adloom.feature_store.rows import UserHistory
from adloom.loop.catalogue.creatives.erasing import erase_ads
from adloom.loop.catalogue.creatives.reviewing import judge, reviews_of
from adloom.loop.catalogue.creatives.store import NO_CODES, Creative, CreativeStore
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.catalogue.product import Price, Product
from adloom.loop.database.opening import open_database
from adloom.loop.database.tables import pool, rankers
from adloom.loop.pool.creatives import CreativePool
from adloom.loop.pool.looks import Encoders, Looks, SeenAd
from adloom.loop.pool.own_clicks import Counted
from adloom.loop.pool.ranker import Weights
from adloom.loop.pool.taste import DrawnAd, Tastes
from adloom.loop.pool.weights import latest, put
from adloom.loop.settings.database import DatabaseSettings
from adloom.models.placement import standing
from adloom.models.text_encoder import TextEncoder

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LIKENESS = np.array([-0.5, -0.6], np.float32)
BOOK = np.eye(4, dtype=np.float32)
MUG = Product("mug", "Mug", cutout_name="of a mug", sale_price=Price(Decimal(4), "EUR"))


class Shop:
    """A pool and the creatives that may join it, on one database."""

    def __init__(self, folder: Path, database: DatabaseSettings, most: int = 64) -> None:
        self.engine = open_database(folder, database)
        self.creatives: CreativeStore = open_creatives(folder, database)
        self.looks = Looks(self.engine, Encoders("book", BOOK, TextEncoder()))
        self.pool = CreativePool(self.engine, self.looks, most)

    def draw(self, ad_id: str, *, days: int = 0, by: str = "3", **changes: Any) -> None:
        picture = Image.new("RGB", (64, 64), "teal")
        made = Creative(
            ad_id=ad_id,
            product_id="mug",
            title="Mug, light",
            picture=self.creatives.put_picture(picture),
            codes=NO_CODES,
            background_codes=NO_CODES,
            variant="champion",
            version=by,
            seed=1,
            served_at=NOW - timedelta(days=days),
        )
        self.creatives.add([replace(made, **changes)])
        if "variant" not in changes:
            self.pool.join(ad_id, MUG, by, LIKENESS, {})

    def names(self, drawn_by: str | None = "3", product: Product = MUG) -> list[str]:
        self.pool.look()
        return [member.ad_id for member in self.pool.members(product, drawn_by)]


@pytest.fixture
def shop(tmp_path: Path, database: DatabaseSettings) -> Iterator[Shop]:
    opened = Shop(tmp_path, database)
    yield opened
    opened.creatives.close()
    opened.engine.dispose()


def test_ads_of_a_product_are_found_by_what_drew_them(shop: Shop) -> None:
    shop.draw("old", days=3)
    shop.draw("new")
    shop.draw("other", by="4")
    shop.draw("own", variant="shop")
    assert shop.names() == ["new", "old"]
    assert set(shop.names(None)) == {"new", "old", "other"}
    assert shop.names("shop") == ["own"]
    assert shop.names(product=Product("cup", "Mug")) == []
    [member, _] = shop.pool.members(MUG, "3")
    np.testing.assert_array_equal(member.likeness, LIKENESS)
    assert (member.drawn_by, member.made_at) == ("3", NOW)


def test_what_is_banned_or_erased_anywhere_is_gone_at_the_next_call(
    shop: Shop, tmp_path: Path, database: DatabaseSettings
) -> None:
    for name in ("one", "two", "three"):
        shop.draw(name)
    assert set(shop.names()) == {"one", "two", "three"}
    other = open_database(tmp_path, database)
    assert judge(other, ["two", "nothing"], "banned", why="ugly", by="Ann") == {"two"}
    assert set(shop.names()) == {"one", "three"}
    erase_ads(other, shop.creatives.pictures, ["three"])
    assert shop.names() == ["one"]
    judge(other, ["two"], "approved", why="it was not", by="Bob")
    assert set(shop.names()) == {"one", "two"}
    [first, second] = reviews_of(other, ["two"])["two"]
    assert (first.state, first.why, first.by) == ("banned", "ugly", "Ann")
    assert (second.state, second.by) == ("approved", "Bob")
    other.dispose()


def test_drafts_are_shown_once_they_are_approved(shop: Shop) -> None:
    for name in ("draft", "other"):
        shop.draw(name, state="draft")
    assert shop.names() == []
    assert (shop.pool.waiting(MUG, "3"), shop.pool.waiting(MUG, "4")) == (2, 0)
    judge(shop.engine, ["draft"], "approved", why="", by="Ann")
    assert shop.names() == ["draft"]
    assert shop.pool.waiting(MUG, "3") == 1


def test_drafts_take_no_place_of_what_is_shown(tmp_path: Path, database: DatabaseSettings) -> None:
    shop = Shop(tmp_path, database, most=2)
    for name in ("one", "two"):
        shop.draw(name)
    for name in ("early", "draft", "late"):
        shop.draw(name, state="draft")
    assert set(shop.names()) == {"one", "two"}
    judge(shop.engine, ["early"], "approved", why="", by="Ann")
    judge(shop.engine, ["one"], "banned", why="", by="Ann")
    assert set(shop.names()) == {"two", "early"}
    shop.creatives.close()
    shop.engine.dispose()


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Tea mug"},
        {"short_name": "Cup"},
        {"cutout_name": "of a teapot"},
        {"selling_points": ("light",)},
        {"language": "de"},
        {"sale_price": None},
        {"placement": standing(30, 40)},
    ],
)
def test_what_was_made_of_a_product_that_has_changed_is_shown_no_more(
    shop: Shop, changed: dict[str, Any]
) -> None:
    shop.draw("ad")
    shop.draw("own", variant="shop")
    now = replace(MUG, **changed)
    assert shop.names(product=now) == shop.names(None, now) == []
    assert shop.names("shop", now) == ["own"]
    dearer = replace(MUG, price=Price(Decimal(9), "EUR"), description="of clay", updated=NOW)
    assert shop.names(product=dearer) == ["ad"]


def test_what_an_earlier_release_has_made_is_shown_on(shop: Shop) -> None:
    shop.draw("ad")
    with shop.engine.begin() as connection:
        connection.execute(pool.update().values(made_of=""))
    assert shop.names() == ["ad"]


def test_those_that_do_worst_leave_a_full_pool(tmp_path: Path, database: DatabaseSettings) -> None:
    shop = Shop(tmp_path, database, most=2)
    for name in ("liked", "left"):
        shop.draw(name)
    counts = {"liked": Counted(100, 30), "left": Counted(100, 1)}
    shop.creatives.add([replace(shop.creatives.get("left"), ad_id="new")])
    shop.pool.join("new", MUG, "3", LIKENESS, counts)
    assert set(shop.names()) == {"liked", "new"}
    assert shop.creatives.get("left").title == "Mug, light"  # it is shown no more, and kept
    shop.creatives.close()
    shop.engine.dispose()


def test_looks_are_made_once_and_found_by_other_processes(
    shop: Shop, tmp_path: Path, database: DatabaseSettings
) -> None:
    assert shop.looks.of(["ad"]) == {}
    ad = SeenAd("ad", np.array([0, 1, 2, 3], np.int16), "Mug, light", None)
    [made] = shop.looks.make([ad])
    assert np.linalg.norm(made.picture) == pytest.approx(1, abs=1e-3)
    other = Looks(open_database(tmp_path, database), Encoders("book", BOOK, TextEncoder()))
    read = other.of(["ad"])["ad"]
    np.testing.assert_allclose(read.picture, made.picture, atol=1e-3)
    np.testing.assert_allclose(read.title, made.title, atol=1e-3)


def test_a_taste_follows_each_click_and_each_look_that_comes_later(shop: Shop) -> None:
    def ad(name: str) -> SeenAd:
        return SeenAd(name, np.array([0, 1, 2, 3], np.int16), f"Mug, {name}", None)

    def clicked(*names: str) -> UserHistory:
        return UserHistory(("mug",) * len(names), (NOW,) * len(names), names)

    shop.looks.make([ad("light"), ad("sturdy")])
    tastes = Tastes(shop.looks)
    one, seen, unseen = tastes.of(clicked("light", "", "bright"))
    assert (len(one), seen, unseen) == (1, ("light",), ("bright",))
    assert tastes.of(clicked("light"))[0] is one  # another shopper of the same clicks
    both = tastes.of(clicked("light", "sturdy"))[0]
    turned = tastes.of(clicked("sturdy", "light"))[0]
    np.testing.assert_array_equal(both.titles, turned.titles[::-1])
    shop.looks.make([ad("bright")])
    assert tastes.of(clicked("light", "", "bright")) == (ANY, ("light", "bright"), ())
    assert len(tastes.of(clicked("light", "", "bright"))[0]) == 2


def test_a_taste_is_also_of_what_was_drawn_for_the_shopper(shop: Shop) -> None:
    names = ["light", "sturdy", "bright"]
    codes = np.array([0, 1, 2, 3], np.int16)
    shop.looks.make([SeenAd(name, codes, f"Mug, {name}", None) for name in names])
    tastes = Tastes(shop.looks)
    clicked = UserHistory(("mug",), (NOW,), ("light",))
    drawn = [DrawnAd("bright", 1), DrawnAd("light", 1), DrawnAd("never made", 1)]
    taste, seen, unseen = tastes.of(clicked, drawn)
    assert (len(taste), seen, unseen) == (2, ("light",), ())  # what was clicked is a click
    assert tastes.of(clicked, drawn[:1])[0] is taste
    assert len(tastes.of(clicked)[0]) == 1
    assert len(tastes.of(UserHistory((), (), ()), drawn)[0]) == 0


def test_the_latest_weights_serve(shop: Shop) -> None:
    assert latest(shop.engine) is None
    with shop.engine.begin() as connection:  # of a release whose ranker saw other things
        row = {"weights": '{"picture_mean": 2.0}', "made_at": NOW, "run": ""}
        connection.execute(rankers.insert(), [row])
    assert latest(shop.engine) is None
    put(shop.engine, Weights(own_clicks=3.0), "run-1")
    put(shop.engine, Weights(own_clicks=4.0), "")
    fitted = latest(shop.engine)
    assert fitted is not None
    assert (fitted.weights.own_clicks, fitted.run) == (4.0, "")
