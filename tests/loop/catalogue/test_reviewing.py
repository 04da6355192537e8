"""Ads are approved and banned, looked through, and their words banned, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.banned_pictures import banned_pictures_of
from adloom.loop.catalogue.creatives.erasing import erase_ads
from adloom.loop.catalogue.creatives.fingerprint import fingerprint
from adloom.loop.catalogue.creatives.gallery import BadPlace, Wanted, of_ad, page
from adloom.loop.catalogue.creatives.reviewing import ban, judge, note, reviews_of, revision
from adloom.loop.catalogue.creatives.store import NO_CODES, Creative, CreativeStore
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.words.banned import BannedWords
from adloom.loop.settings.database import DatabaseSettings

START = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, database: DatabaseSettings) -> Iterator[CreativeStore]:
    opened = open_creatives(tmp_path, database)
    yield opened
    opened.close()


def drawn(store: CreativeStore, ad_id: str, minutes: int = 0, **more: object) -> Creative:
    colour = (int(ad_id.encode().hex(), 16) % 250, 60, 90)
    made = Creative(
        ad_id,
        "mug",
        f"Mug {ad_id}",
        store.put_picture(Image.new("RGB", (16, 16), colour)),
        NO_CODES,
        np.array([1, 2], np.int16),
        "champion",
        "1",
        7,
        START + timedelta(minutes=minutes),
    )
    made = replace(made, **more)  # type: ignore[arg-type]
    store.add([made])
    return made


def test_who_did_what_is_kept_and_seen_by_whoever_keeps_ads_in_memory(
    store: CreativeStore,
) -> None:
    drawn(store, "a")
    before = revision(store.engine)
    assert ban(store, ["a", "unknown"], why="too dark", by="Ann") == {"a"}
    assert store.get("a").state == "banned"
    assert revision(store.engine) == before + 1
    assert judge(store.engine, ["a"], "approved", why="", by="Ben") == {"a"}
    assert judge(store.engine, ["unknown"], "approved", why="", by="Ben") == set()
    assert revision(store.engine) == before + 2
    told = [(one.state, one.why, one.by) for one in reviews_of(store.engine, ["a"])["a"]]
    assert told == [("banned", "too dark", "Ann"), ("approved", "", "Ben")]


def test_what_a_banned_ad_looks_like_is_known_until_it_is_approved_or_gone(
    store: CreativeStore,
) -> None:
    for name in "ab":
        drawn(store, name)
    drawn(store, "c", product_id="bowl")
    ban(store, ["a", "b", "c"], why="off", by="Ann")
    looks = banned_pictures_of(store.engine, "mug")
    assert looks.shape == (2, 256, 3)
    picture = store.picture(store.get("a").picture)
    assert any((look == fingerprint(picture)).all() for look in looks)
    judge(store.engine, ["a"], "approved", why="", by="Ann")
    erase_ads(store.engine, store.pictures, ["b"])
    assert len(banned_pictures_of(store.engine, "mug")) == 0
    judge(store.engine, ["c"], "banned", why="its title", by="word list")
    assert len(banned_pictures_of(store.engine, "bowl")) == 0


def test_an_ad_and_what_inspection_says_of_it_come_in_together_or_not(
    store: CreativeStore,
) -> None:
    made = replace(drawn(store, "a"), ad_id="b", state="draft")

    def said(connection: object) -> None:
        note(connection, "b", "draft", ["dark", "cut"], by="inspection")  # type: ignore[arg-type]

    def broken(connection: object) -> None:
        said(connection)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.add_one(made, broken)
    assert store.known(["b"]) == set()
    assert store.add_one(made, said)
    assert not store.add_one(replace(made, title="other"), said)
    assert store.get("b").title == "Mug a"
    [review] = reviews_of(store.engine, ["b"])["b"]
    assert review.why == "dark; cut"


def test_the_gallery_hangs_the_newest_first_page_by_page(store: CreativeStore) -> None:
    for minutes, name in enumerate("abcdef"):
        drawn(store, name, minutes // 2)  # two of a moment
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        found = page(store.engine, Wanted(), after=after, limit=4)
        seen += [ad.ad_id for ad in found.ads]
        after = found.next
    assert seen == ["f", "e", "d", "c", "b", "a"]
    for place in ("x", "2026-01-02T00:00:00 a", "2026-01-02T00:00:00+00:00"):
        with pytest.raises(BadPlace):
            page(store.engine, Wanted(), after=place)


def test_the_gallery_is_filtered(
    store: CreativeStore, tmp_path: Path, database: DatabaseSettings
) -> None:
    catalogue = open_catalogue(tmp_path, None, database)
    sold = Product("mug", "Becher", language="de-AT"), Product("bowl", "Bowl")
    catalogue.put([Entry(product, stamp="") for product in sold], {})
    catalogue.close()
    drawn(store, "a")
    drawn(store, "b", version="2", product_id="bowl")
    drawn(store, "c", state="draft", variant="challenger")
    drawn(store, "d", product_id="gone")
    ban(store, ["b"], why="off", by="Ann")

    def ids(**wanted: object) -> list[str]:
        found = page(store.engine, Wanted(**wanted)).ads  # type: ignore[arg-type]
        assert sorted(ad.ad_id for ad in store.page(**wanted)) == sorted(  # type: ignore[arg-type]
            ad.ad_id for ad in found
        )
        return [ad.ad_id for ad in found]

    assert ids(product_id="mug") == ["c", "a"]
    assert ids(state="draft") == ["c"]
    assert ids(state="approved") == ["d", "a"]
    assert ids(state="banned", product_id="bowl") == ["b"]
    assert ids(variant="challenger") == ["c"]
    assert ids(version="2") == ["b"]
    assert ids(language="DE") == ["c", "a"]
    assert ids(language="e") == []
    one = of_ad(store.engine, "a")
    assert one is not None
    assert (one.language, one.state) == ("de-AT", "approved")
    assert of_ad(store.engine, "nothing") is None


def test_a_page_that_looks_at_many_says_where_to_go_on(
    store: CreativeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.loop.catalogue.creatives.gallery._LOOKED_AT", 3)
    for minutes, name in enumerate("abcdef"):
        drawn(store, name, minutes, version="old" if name == "a" else "new")
    first = page(store.engine, Wanted(version="old"))
    assert first.ads == ()
    assert first.next is not None
    second = page(store.engine, Wanted(version="old"), after=first.next)
    assert [ad.ad_id for ad in second.ads] == ["a"]


def test_a_word_that_one_process_bans_is_banned_in_the_others(store: CreativeStore) -> None:
    here, there = BannedWords(store.engine), BannedWords(store.engine)
    assert there.of("de") == ()
    assert here.review("de", "Billig", banned=True, why="cheap", by="Ann")
    assert here.review("", "sale", banned=True, why="", by="Ann")
    assert not here.review("DE", "billig", banned=True, why="again", by="Ben")
    assert set(there.of("de-AT")) == {"Billig", "sale"}
    assert there.of("fr") == ("sale",)
    assert there.review("de", "billig", banned=False, why="it is fine", by="Ben")
    assert not there.review("de", "billig", banned=False, why="", by="Ben")
    assert here.of("de") == ("sale",)
    assert [(one.word, one.banned, one.by) for one in here.history()] == [
        ("billig", False, "Ben"),
        ("sale", True, "Ann"),
        ("Billig", True, "Ann"),
    ]
    assert [one.word for one in here.listed()] == ["sale"]
