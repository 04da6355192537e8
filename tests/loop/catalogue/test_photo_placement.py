"""A product stands on the ground of its ads, or lies where its photo has it, as the shop sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.briefs import brief, finished
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.catalogue.product import Product
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.models.compose import on_white

SIZE = 300
LEFT = (30, 120, 70, 100)  # of the photo on a square of SIZE: left, top, width and height
SETTINGS = {
    kind: CatalogSettings.model_validate({"placement": kind}) for kind in ("ground", "photo")
}


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    photo = Image.new("RGB", (600, 400), "white")
    photo.paste("navy", (60, 140, 200, 340))
    photo.save(tmp_path / "box.png")
    file = tmp_path / "feed.csv"
    file.write_text("id,title,price,image_link\nbox,Navy Box,9.90 EUR,box.png\n")
    return file


def taken(home: Path, feed: Path, kind: str) -> tuple[Product, int]:
    """The product as it is read anew after an import, and how many changed."""
    report = import_feed(open_catalogue(home), str(feed), SETTINGS[kind])
    assert not report.refused
    return open_catalogue(home)["box"], report.changed


def dark(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is navy."""
    seen = np.asarray(picture).astype(int).sum(axis=-1) < 300
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]


def test_a_product_at_the_left_of_its_photo_is_conditioned_and_pasted_there(
    tmp_path: Path, feed: Path
) -> None:
    product, _ = taken(tmp_path / "home", feed, "photo")
    told = brief(product, ())
    seen = on_white(told.cutout, SIZE, told.placement)
    ad = finished(Image.new("RGB", (64, 64), "white"), product, size=SIZE)
    for picture in (seen, ad):
        assert np.abs(np.array(dark(picture)) - LEFT).max() <= 2
    bare = finished(Image.new("RGB", (64, 64), "white"), product, size=SIZE, shadow=False)
    shade = np.asarray(ad).astype(int).sum(axis=-1) < np.asarray(bare).astype(int).sum(axis=-1)
    assert abs(np.flatnonzero(shade.any(axis=1)).mean() - 220) < 20  # it stands at its own foot


def test_products_stand_on_the_ground_as_long_as_nothing_is_set(tmp_path: Path, feed: Path) -> None:
    product, _ = taken(tmp_path / "home", feed, "ground")
    assert CatalogSettings() == SETTINGS["ground"]
    assert product.placement is brief(product, ()).placement is None
    left, top, width, height = dark(
        finished(Image.new("RGB", (64, 64), "white"), product, size=SIZE)
    )
    assert abs(left + width / 2 - SIZE / 2) <= 1
    assert abs(top + height - 0.87 * SIZE) <= 2


def test_known_products_follow_the_setting_at_the_next_import(tmp_path: Path, feed: Path) -> None:
    home = tmp_path / "home"
    taken(home, feed, "ground")
    product, changed = taken(home, feed, "photo")
    assert (product.placement is not None, changed) == (True, 1)
    assert taken(home, feed, "photo") == (product, 0)
    feed.write_text(feed.read_text().replace("9.90", "8.90"))
    cheaper, changed = taken(home, feed, "photo")
    assert (cheaper.placement, changed) == (product.placement, 1)
    back, changed = taken(home, feed, "ground")
    assert (back.placement, changed) == (None, 1)


def test_a_product_that_fills_its_photo_leaves_room_for_a_scene(tmp_path: Path, feed: Path) -> None:
    Image.new("RGBA", (100, 50), "navy").crop((-1, -1, 101, 51)).save(feed.parent / "box.png")
    product, _ = taken(tmp_path / "home", feed, "photo")
    assert product.placement is not None
    assert product.placement.width == pytest.approx(0.8)
    assert product.placement.height == pytest.approx(0.4, abs=0.01)
    assert product.placement.centre == pytest.approx(0.5)
