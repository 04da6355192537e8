"""Feeds into the catalogue: new rows cost work, known ones a look, bad ones are named."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue import embedding
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.intake import importing
from adloom.loop.catalogue.intake.feed import FeedTooShort, import_feed, is_unread
from adloom.loop.catalogue.intake.report import ImportReport
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.pictures.intake import take_in
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.models.retrieval import product_vectors
from tests.kept_pictures import file_of

SETTINGS = CatalogSettings()
HEAD = ["id", "title", "product_type", "product_highlight", "price", "image_link"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a cutout, a photo that nobody can cut out, and what is no picture."""
    cutout = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    cutout.paste((200, 40, 40, 255), (20, 10, 60, 70))
    cutout.save(tmp_path / "mug.png")
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "scene.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return open_catalogue(tmp_path / "home")


def feed(shop: Path, rows: Sequence[Sequence[str]], name: str = "feed.csv") -> str:
    with (shop / name).open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return str(shop / name)


def mug(number: int, **told: str) -> list[str]:
    fields = {
        "id": f"mug-{number}",
        "title": f"Mug {number}",
        "product_type": "kitchen",
        "product_highlight": "hand made",
        "price": "9.90 EUR",
        "image_link": "mug.png",
    }
    return list((fields | told).values())


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.refused


def test_each_bad_row_is_named_and_the_rest_goes_in(shop: Path, catalogue: Catalogue) -> None:
    rows = [
        mug(1),
        mug(2, price="a lot"),
        mug(3, image_link="broken.png"),
        mug(4, image_link="gone.png"),
        mug(5, image_link="../home/adloom.db"),
        mug(6, image_link=""),
        mug(1),
        mug(7, image_link="https://elsewhere.example/mug.png"),
        mug(8),
    ]
    report = import_feed(catalogue, feed(shop, rows), SETTINGS)
    assert counts(report) == (2, 0, 0, 7)
    named = {(note.line, note.product_id): note.text for note in report.notes}
    words = {
        (3, "mug-2"): "price",
        (4, "mug-3"): "image_link",
        (5, "mug-4"): "gone.png",
        (6, "mug-5"): "image_link",
        (7, "mug-6"): "image_link",
        (8, "mug-1"): "line 2",
        (9, "mug-7"): "image_link",
    }
    assert named.keys() == words.keys()
    for key, word in words.items():
        assert word in named[key]
        assert "\n" not in named[key]
    assert catalogue.count() == 2


def test_the_same_feed_again_changes_nothing(
    shop: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = feed(shop, [mug(n) for n in range(20)])
    assert counts(import_feed(catalogue, path, SETTINGS)) == (20, 0, 0, 0)
    revision = catalogue.revision()

    def worked(*_: object) -> None:
        raise AssertionError("nothing is new")

    monkeypatch.setattr(importing, "take_in", worked)
    monkeypatch.setattr(embedding, "product_vectors", worked)
    report = import_feed(catalogue, path, SETTINGS)
    assert counts(report) == (0, 0, 20, 0)
    assert not report.written
    assert catalogue.revision() == revision


def test_work_is_done_for_what_changed_alone(
    shop: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_feed(catalogue, feed(shop, [mug(n) for n in range(5)]), SETTINGS)
    texts: list[str] = []
    pictures: list[bytes] = []

    def noted_vectors(new: Sequence[str], *rest: Any) -> np.ndarray:
        texts.extend(new)
        return product_vectors(new, *rest)

    def noted_pictures(content: bytes, settings: CatalogSettings) -> object:
        pictures.append(content)
        return take_in(content, settings)

    monkeypatch.setattr(embedding, "product_vectors", noted_vectors)
    monkeypatch.setattr(importing, "take_in", noted_pictures)
    rows = [mug(0), mug(1, price="8.00 EUR"), mug(2, title="Cup 2"), mug(3), mug(4), mug(5)]
    report = import_feed(catalogue, feed(shop, rows), SETTINGS)
    assert counts(report) == (1, 2, 3, 0)
    assert texts == ["Cup 2: hand made", "Mug 5: hand made"]  # a price is in no vector
    assert len(pictures) == 1
    # Another picture under the same name is another picture.
    pictures.clear()
    Image.new("RGBA", (64, 64), (0, 90, 0, 255)).crop((-9, -9, 73, 73)).save(shop / "mug.png")
    os.utime(shop / "mug.png", ns=(1, 1))
    before = catalogue["mug-0"].cutout_name
    report = import_feed(catalogue, feed(shop, rows), SETTINGS)
    assert counts(report) == (0, 6, 0, 0)
    assert catalogue["mug-0"].cutout_name != before
    assert len(texts) == 2


@pytest.mark.parametrize("empty", [False, True])
def test_a_picture_whose_file_was_lost_is_taken_in_again(
    shop: Path, catalogue: Catalogue, empty: bool
) -> None:
    path = feed(shop, [mug(1)])
    import_feed(catalogue, path, SETTINGS)
    product = catalogue["mug-1"]
    for name in (product.picture_name, product.cutout_name):
        file = file_of(catalogue.pictures, name)
        file.write_bytes(b"") if empty else file.unlink()
    import_feed(catalogue, path, SETTINGS)
    again = open_catalogue(shop / "home")["mug-1"]
    assert again.cutout_name == product.cutout_name
    assert again.cutout().mode == "RGBA"
    assert again.whole_picture() is not None


def test_a_refused_row_leaves_what_was_there(shop: Path, catalogue: Catalogue) -> None:
    import_feed(catalogue, feed(shop, [mug(1)]), SETTINGS)
    report = import_feed(catalogue, feed(shop, [mug(1, price="-1 EUR", title="X")]), SETTINGS)
    assert counts(report) == (0, 0, 0, 1)
    assert catalogue["mug-1"].name == "Mug 1"
    assert not catalogue["mug-1"].retired


def test_a_check_tells_the_same_and_writes_nothing(shop: Path, catalogue: Catalogue) -> None:
    path = feed(shop, [mug(1), mug(2, price="?"), mug(3, image_link="scene.png")])
    dry = import_feed(catalogue, path, SETTINGS, dry=True)
    assert catalogue.count() == 0
    assert catalogue.revision() == 0
    assert not list((shop / "home" / "catalogue" / "pictures").rglob("*.webp"))
    wet = import_feed(catalogue, path, SETTINGS)
    assert (counts(dry), dry.notes) == (counts(wet), wet.notes)


def test_what_cannot_be_cut_out_is_told_and_shown_whole(shop: Path, catalogue: Catalogue) -> None:
    report = import_feed(catalogue, feed(shop, [mug(1, image_link="scene.png")]), SETTINGS)
    assert (report.new, report.without_cutout) == (1, 1)
    [note] = report.notes
    assert note.kind == "no_cutout"
    assert "cut out" in note.text
    product = catalogue["mug-1"]
    assert product.cutout_name == ""
    whole = product.whole_picture()
    assert whole is not None
    assert whole.size == (80, 80)


def test_missing_products_are_kept_or_retired_as_set(shop: Path, catalogue: Catalogue) -> None:
    retiring = CatalogSettings(missing="retire")
    import_feed(catalogue, feed(shop, [mug(n) for n in range(6)]), SETTINGS)
    import_feed(catalogue, feed(shop, [mug(9)], "other.csv"), SETTINGS)
    path = feed(shop, [mug(n) for n in range(4)])
    assert import_feed(catalogue, path, SETTINGS).retired == 0
    report = import_feed(catalogue, path, retiring)
    assert report.retired == 2
    assert [catalogue[f"mug-{n}"].retired for n in (0, 4, 5, 9)] == [False, True, True, False]
    # A row that is refused is still in the feed.
    import_feed(catalogue, feed(shop, [mug(0), mug(1), mug(2), mug(3, price="?")]), retiring)
    assert not catalogue["mug-3"].retired
    back = import_feed(catalogue, feed(shop, [mug(n) for n in range(6)]), retiring)
    assert (back.changed, back.unchanged) == (2, 4)
    assert catalogue.count() == 7


def test_a_feed_that_was_cut_off_retires_nothing(shop: Path, catalogue: Catalogue) -> None:
    retiring = CatalogSettings(missing="retire")
    import_feed(catalogue, feed(shop, [mug(n) for n in range(10)]), retiring)
    path = feed(shop, [mug(0), mug(1)])
    with pytest.raises(FeedTooShort, match="2 of the 10"):
        import_feed(catalogue, path, retiring)
    assert catalogue.count() == 10
    assert import_feed(catalogue, path, retiring, force=True).retired == 8


def test_a_feed_that_cannot_be_read_is_told(shop: Path, catalogue: Catalogue) -> None:
    with pytest.raises(FeedUnreadable, match=r"gone\.csv"):
        import_feed(catalogue, str(shop / "gone.csv"), SETTINGS)
    (shop / "round.csv").symlink_to("round.csv")
    with pytest.raises(FeedUnreadable, match=r"round\.csv"):
        import_feed(catalogue, str(shop / "round.csv"), SETTINGS)
    with pytest.raises(FeedUnreadable, match="hosts"):
        import_feed(catalogue, "https://shop.example/feed.csv", SETTINGS)


def test_a_feed_is_unread_until_it_is_imported_and_again_when_written(
    shop: Path, catalogue: Catalogue
) -> None:
    path = feed(shop, [mug(1)])
    assert is_unread(catalogue, path)
    import_feed(catalogue, path, SETTINGS)
    assert not is_unread(catalogue, path)
    feed(shop, [mug(1), mug(2)])
    assert is_unread(catalogue, path)
