"""A catalogue that follows its feed: changes, broken and half-written feeds, several servers."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prometheus_client import REGISTRY

from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.intake import feed as feed_import
from adloom.loop.catalogue.intake import refresh
from adloom.loop.catalogue.intake.refresh import CatalogueRefresh
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.claims import claimed
from adloom.loop.settings.catalogue import CatalogSettings


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """A feed of ten mugs."""
    drawn = Image.new("RGBA", (40, 40))
    drawn.paste((200, 80, 20, 255), (10, 10, 30, 30))
    drawn.save(tmp_path / "mug.png")
    file = tmp_path / "feed.jsonl"
    write(file, mugs(10))
    return file


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path / "home")
    yield opened
    opened.close()


def mugs(n: int, **told: Any) -> list[dict[str, Any]]:
    return [{"id": f"m{i}", "title": f"Mug {i}", "image_link": "mug.png", **told} for i in range(n)]


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """As a careful shop does it: in one step."""
    partial = file.with_suffix(".partial")
    partial.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    partial.replace(file)


def follower(catalogue: Catalogue, feed: Path, **given: Any) -> CatalogueRefresh:
    settings = CatalogSettings(source=str(feed), **given)
    return CatalogueRefresh(catalogue, settings, lambda product: ())


def look(following: CatalogueRefresh) -> None:
    """Until the feed is as it was at the look before."""
    while not following.look():
        pass


def metric(name: str, labels: Mapping[str, str]) -> float:
    return REGISTRY.get_sample_value(name, dict(labels)) or 0.0


def counted(outcome: str) -> float:
    return metric("adloom_catalogue_products_total", {"outcome": outcome})


def has_problem() -> bool:
    return metric("adloom_catalogue_problem", {"source": "feed"}) == 1


def test_a_feed_that_is_rewritten_is_followed(catalogue: Catalogue, feed: Path) -> None:
    following = follower(catalogue, feed, missing="retire")
    look(following)
    assert catalogue.count() == 10
    before = {outcome: counted(outcome) for outcome in ("new", "changed", "retired")}
    rows = mugs(10, price="8.99 EUR")
    rows[1:] = [*mugs(10)[1:9], {"id": "new", "title": "New", "image_link": "mug.png"}]
    write(feed, rows)
    look(following)
    assert str(catalogue["m0"].price) == "8.99 EUR"
    assert catalogue.selling("new").name == "New"
    assert catalogue["m9"].retired
    assert {name: counted(name) - n for name, n in before.items()} == dict.fromkeys(before, 1.0)


def test_what_was_read_is_not_read_again(catalogue: Catalogue, feed: Path) -> None:
    look(follower(catalogue, feed))
    revision, unchanged = catalogue.revision(), counted("unchanged")
    look(follower(catalogue, feed))
    assert (catalogue.revision(), counted("unchanged")) == (revision, unchanged)


def test_a_feed_is_read_once_nobody_writes_it(catalogue: Catalogue, feed: Path) -> None:
    following = follower(catalogue, feed)
    assert following.look() is False
    write(feed, mugs(12))
    assert following.look() is False
    assert catalogue.count() == 0
    assert following.look() is True
    assert catalogue.count() == 12


def test_a_feed_written_while_it_is_read_retires_nothing(
    catalogue: Catalogue, feed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = follower(catalogue, feed, missing="retire")
    look(following)
    write(feed, mugs(6))

    def slow(path: Path, settings: CatalogSettings) -> Iterator[Any]:
        yield from read_feed(path, settings)
        write(feed, mugs(10, price="7.99 EUR"))

    with monkeypatch.context() as patched:
        patched.setattr(feed_import, "read_feed", slow)
        look(following)
    assert following.problem is not None
    assert catalogue.count() == 10
    look(following)
    assert following.problem is None
    assert str(catalogue["m9"].price) == "7.99 EUR"


def test_a_feed_that_is_cut_short_retires_nothing(
    catalogue: Catalogue, feed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    following = follower(catalogue, feed, missing="retire")
    look(following)
    whole = feed.read_bytes()
    feed.write_bytes(whole[: len(whole) // 3])
    with caplog.at_level(logging.WARNING, "adloom.catalogue"):
        for _ in range(5):
            look(following)
    assert catalogue.count() == 10
    assert has_problem()
    assert "nothing is retired" in str(following.problem)
    assert [r.message for r in caplog.records if "nothing is retired" in r.message] != []
    assert len(caplog.records) <= 2  # the row that was cut, and the feed, once each
    feed.write_bytes(whole)
    look(following)
    assert not has_problem()
    assert following.problem is None


@pytest.mark.parametrize("content", [b"", b"\xff\x00\x12" * 50, b'{"a": 1}\n' * 3])
def test_a_broken_feed_leaves_all_as_it_was_and_is_told_once(
    catalogue: Catalogue, feed: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    following = follower(catalogue, feed, missing="retire")
    look(following)
    feed.write_bytes(content)
    with caplog.at_level(logging.WARNING, "adloom.catalogue"):
        for _ in range(3):
            look(following)
        told = len(caplog.records)
        os.utime(feed)  # written anew, and no better
        look(following)
    assert catalogue.count() == 10
    assert has_problem()
    assert told >= 1
    assert len(caplog.records) == told


def test_a_feed_that_is_away_is_a_problem_until_it_is_back(
    catalogue: Catalogue, feed: Path
) -> None:
    following = follower(catalogue, feed, missing="retire")
    look(following)
    away = feed.rename(feed.with_suffix(".away"))
    look(following)
    assert has_problem()
    assert catalogue.count() == 10
    away.rename(feed)  # just as it was: there is nothing to read
    look(following)
    assert not has_problem()


def test_rows_that_are_refused_again_and_again_are_told_once(
    catalogue: Catalogue, feed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    following = follower(catalogue, feed)
    with caplog.at_level(logging.WARNING, "adloom.catalogue"):
        for n in range(3):
            write(feed, [*mugs(10, description=f"as of {n}"), {"id": "bad", "title": ""}])
            look(following)
    assert [record.message for record in caplog.records if "bad" in record.message] == [
        "product refused: feed.jsonl:11 (bad): title: is missing or empty"
    ]


def test_of_two_servers_one_reads_the_feed(catalogue: Catalogue, feed: Path) -> None:
    other = open_catalogue(feed.parent / "home")
    ours, theirs = follower(catalogue, feed), follower(other, feed)
    before = counted("new")
    with claimed(other.engine, str(feed), 60):
        look(ours)
        assert catalogue.count() == 0
    look(ours)
    look(theirs)
    assert counted("new") - before == 10
    assert other["m3"].name == "Mug 3"
    other.close()


def test_it_looks_until_it_is_stopped_whatever_happens(
    catalogue: Catalogue, feed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "_SETTLE_SECONDS", 0.01)
    following = follower(catalogue, feed, refresh_seconds=0.01)
    stop, failures = threading.Event(), iter([OSError("the disk"), RuntimeError("the database")])
    follow = catalogue.follow

    def failing() -> bool:
        for failure in failures:
            raise failure
        if catalogue.count() == 10:
            stop.set()
        return follow()

    monkeypatch.setattr(catalogue, "follow", failing)
    following.run(stop)
    assert catalogue.count() == 10
    assert not has_problem()
