"""`adloom creatives gc`: what nobody needs goes, with its picture, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from adloom.feature_store.event_log import EventLog
from adloom.loop.catalogue.creatives.reviewing import ban
from adloom.loop.catalogue.creatives.store import NO_CODES, Creative, CreativeStore
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.vectors import Made
from adloom.loop.commands.app import app
from adloom.loop.database.tables import pool
from adloom.loop.forgetting.unused_ads import Wanted, erase_unused, pictures_of, unused_ads
from adloom.loop.settings.database import DatabaseSettings
from adloom.models.retrieval import VECTOR_SIZE
from tests.sample_events import logged

NOW = datetime.now(UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def store(tmp_path: Path, database: DatabaseSettings) -> Iterator[CreativeStore]:
    opened = open_creatives(tmp_path, database)
    yield opened
    opened.close()


def keep(store: CreativeStore, ad_id: str, days: float, colour: int, **more: Any) -> str:
    picture = store.put_picture(Image.new("RGB", (8, 8), (colour * 12, 0, 0)))
    given: dict[str, Any] = {
        "ad_id": ad_id,
        "product_id": "mug",
        "title": "Mug",
        "picture": picture,
        "codes": NO_CODES,
        "background_codes": np.array([1], np.int16),
        "variant": "champion",
        "version": "1",
        "seed": 7,
        "served_at": days_ago(days),
    }
    store.add([Creative(**given | more)])
    return picture


def in_pool(store: CreativeStore, ad_id: str, days: float) -> None:
    row = {
        "ad_id": ad_id,
        "product_id": "mug",
        "drawn_by": "1",
        "joined_at": days_ago(days),
        "likeness": b"",
    }
    with store.engine.begin() as connection:
        connection.execute(pool.insert(), [row])


def event(number: int, kind: Any, ad_id: str, days: float) -> Any:
    return logged(number, kind=kind, ad_id=ad_id, item_id="mug")._replace(ts=days_ago(days))


def wanted(**changes: Any) -> Wanted:
    given: dict[str, Any] = {"made_before": days_ago(90), "unused_since": days_ago(30), "keep": 0}
    return Wanted(**given | changes)


def names(store: CreativeStore) -> set[str]:
    return {ad.ad_id for ad in store.page()}


def test_only_what_is_old_unclicked_unshown_and_nobodys_goes(
    store: CreativeStore, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "log")
    gone = keep(store, "old", 100, 1)
    shared = keep(store, "old-too", 100, 2)
    keep(store, "young", 1, 2)  # the same picture as old-too
    keep(store, "clicked", 300, 3)
    keep(store, "shown", 200, 4)
    keep(store, "shown-long-ago", 200, 5)
    keep(store, "pooled", 200, 6)
    keep(store, "of-a-round", 200, 7)
    keep(store, "banned", 200, 8)
    keep(store, "waits", 200, 9, state="draft")
    keep(store, "of-the-shop", 400, 10, variant="shop")
    keep(store, "pooled-long-ago", 200, 11)
    in_pool(store, "pooled", 3)
    in_pool(store, "pooled-long-ago", 200)
    ban(store, ["banned"], why="off", by="Ann")
    log.append(
        [
            event(0, "click", "clicked", 290),
            event(1, "exposure", "shown", 10),
            event(2, "exposure", "shown-long-ago", 150),
            event(3, "exposure", "of-a-round", 150),
        ]
    )
    given = wanted(needed=frozenset({"of-a-round"}))
    with unused_ads(store.engine, log, given) as found:
        assert len(found) == 5
        erased = erase_unused(store.engine, store.pictures, found)
    assert (erased.creatives, erased.pictures) == (5, 4)
    stays = {"young", "clicked", "shown", "pooled", "of-a-round", "banned", "of-the-shop"}
    assert names(store) == stays
    assert not store.pictures.has(gone)
    assert store.pictures.has(shared)
    with unused_ads(store.engine, log, given) as found:
        assert len(found) == 0


def test_the_newest_of_each_product_stay(store: CreativeStore, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    for number in range(6):
        keep(store, f"mug-{number}", 200 - number, number)
    keep(store, "bowl", 300, 20, product_id="bowl")
    keep(store, "mug-young", 1, 21)
    with unused_ads(store.engine, log, wanted(keep=3)) as found:
        assert [ad for some in found for ad in some] == ["mug-0", "mug-1", "mug-2", "mug-3"]
        erase_unused(store.engine, store.pictures, found)
    assert names(store) == {"mug-4", "mug-5", "mug-young", "bowl"}


def test_many_are_read_and_erased_some_at_a_time(
    store: CreativeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.loop.forgetting.unused_ads._ADS_AT_ONCE", 4)
    for number in range(11):
        keep(store, f"ad-{number:02d}", 100, 1, product_id=f"p-{number % 3}")
    seen: list[int] = []
    with unused_ads(store.engine, EventLog(tmp_path / "log"), wanted()) as found:
        erase_unused(store.engine, store.pictures, found, seen.append)
    assert seen == [4, 4, 3]
    assert names(store) == set()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12))
@settings(max_examples=15, deadline=None)
def test_a_dry_run_tells_the_pictures_that_then_go(ads: list[tuple[bool, int]]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adloom.loop.forgetting.unused_ads._ADS_AT_ONCE", 2)
        store = open_creatives(Path(folder))
        for number, (old, colour) in enumerate(ads):
            keep(store, f"ad-{number:02d}", 100 if old else 1, colour)
        with unused_ads(store.engine, EventLog(Path(folder) / "log"), wanted()) as found:
            told = pictures_of(store.engine, found)
            assert erase_unused(store.engine, store.pictures, found).pictures == told
        store.close()


def gc(*words: str) -> Any:
    result = CliRunner().invoke(app, ["creatives", "gc", *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_tells_before_it_erases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", "home")
    store = open_creatives(tmp_path / "home")
    keep(store, "old", 100, 1)
    keep(store, "young", 5, 2)
    told = gc("--older-than", "90", "--keep-per-product", "0", "--dry-run")
    assert told == {"creatives": 1, "pictures": 1, "dry_run": True}
    assert names(store) == {"old", "young"}
    assert gc("--older-than", "90") == {"creatives": 0, "pictures": 0, "dry_run": False}
    done = gc("--older-than", "90", "--keep-per-product", "0")
    assert done == {"creatives": 1, "pictures": 1, "dry_run": False}
    assert names(store) == {"young"}
    store.close()


def test_pictures_that_nothing_names_go_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", "home")
    store = open_creatives(tmp_path / "home")
    of_ad = keep(store, "young", 5, 1)
    shown, cutout, left, just_put = (
        store.put_picture(Image.new("RGB", (8, 8), (0, green, 0))) for green in (40, 90, 140, 190)
    )
    catalogue = open_catalogue(tmp_path / "home")
    cup = Product("cup", "Cup", picture_name=shown, cutout_name=cutout)
    vector = np.ones(VECTOR_SIZE, dtype=np.float32)
    catalogue.put([Entry(cup, stamp="s")], {"cup": Made("text", vector)})
    catalogue.close()
    for name in (of_ad, shown, cutout, left):
        file = next((tmp_path / "home").rglob(f"{name}.*"))
        os.utime(file, (0, 0))

    def there() -> set[str]:
        return {name for name in (of_ad, shown, cutout, left, just_put) if store.pictures.has(name)}

    assert gc("--older-than", "0") == {"creatives": 0, "pictures": 0, "dry_run": False}
    told = gc("--older-than", "0", "--unnamed-pictures", "--dry-run")
    assert told == {"creatives": 0, "pictures": 0, "dry_run": True, "unnamed_pictures": 1}
    assert left in there()
    assert gc("--older-than", "0", "--unnamed-pictures")["unnamed_pictures"] == 1
    assert there() == {of_ad, shown, cutout, just_put}
    assert gc("--older-than", "0", "--unnamed-pictures")["unnamed_pictures"] == 0
    store.close()
