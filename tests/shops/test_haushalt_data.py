"""The data of the test's shop hold together, and are what their generator makes."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from adloom.loop.settings.catalogue import CatalogSettings
from tests.shops.make_haushalt import HAUSHALT, OTHER_FORMS, make_tables
from tests.shops.maker.ads import shop_ads
from tests.shops.maker.assortment import articles
from tests.shops.maker.photos import PHOTOS, cutout
from tests.shops.maker.picture_files import BROKEN, CMYK, ORIENTATION, PALETTES, TURNED
from tests.shops.maker.scenes import scene, stand
from tests.shops.maker.shoppers import SHOPPERS, taste

_MAX_BYTES = 1_500_000


def _rows(name: str, separator: str = ",") -> list[dict[str, str]]:
    text = (HAUSHALT / name).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def _good(name: str, separator: str = ",") -> list[dict[str, str]]:
    expected = json.loads((HAUSHALT / "expected.json").read_text())
    rows = _rows(name, separator)
    return rows[: len(rows) - len(expected["refused"][name])]


@pytest.fixture(scope="module")
def tables() -> dict[str, bytes]:
    return make_tables()


@pytest.mark.parametrize(
    "name", ["feed.csv", "feed.xml", "feed.jsonl", "ads.csv", "clicks.csv", "expected.json"]
)
def test_tables_are_what_the_generator_makes(tables: dict[str, bytes], name: str) -> None:
    again = "make them again: python -m tests.shops.make_haushalt"
    assert (HAUSHALT / name).read_bytes() == tables[name], again


def test_the_parquet_feed_holds_what_the_json_feed_holds() -> None:
    typed = pq.read_table(HAUSHALT / "feed.parquet").to_pylist()
    lines = (HAUSHALT / "feed.jsonl").read_text().splitlines()
    assert [{name: value for name, value in row.items() if value} for row in typed] == [
        json.loads(line) for line in lines
    ]
    assert len(typed) == OTHER_FORMS


def test_the_xml_feed_holds_the_same_products() -> None:
    items = ElementTree.parse(HAUSHALT / "feed.xml").iter("item")
    namespace = "{http://base.google.com/ns/1.0}"
    titles = [item.findtext(f"{namespace}title") for item in items]
    assert titles == [row["Bezeichnung"] for row in _good("feed.csv", ";")[:OTHER_FORMS]]


def test_settings_name_columns_of_the_feed() -> None:
    settings = tomllib.loads((HAUSHALT / "adloom.toml").read_text())
    catalog = CatalogSettings.model_validate(settings["catalog"])
    assert catalog.source is not None
    assert (HAUSHALT / catalog.source).is_file()
    assert set(catalog.columns.values()) == set(_rows("feed.csv", ";")[0])


def test_bad_rows_stand_where_the_expectations_say() -> None:
    expected = json.loads((HAUSHALT / "expected.json").read_text())["refused"]
    for name, refusals in expected.items():
        lines = (HAUSHALT / name).read_text(encoding="utf-8-sig").splitlines()
        assert len(lines) == refusals[-1]["line"]
        for refusal in refusals:
            assert refusal["id"] in lines[refusal["line"] - 1]


def test_products_have_ids_of_their_own_and_pictures() -> None:
    rows = _good("feed.csv", ";")
    assert len({row["Artikelnummer"] for row in rows}) == len(rows)
    assert all((HAUSHALT / row["Bild"]).is_file() for row in rows)
    assert {row["Sprache"] for row in rows} == {"de", "ja"}


def test_ads_are_of_products_of_the_feed_and_have_pictures() -> None:
    products = {row["Artikelnummer"] for row in _good("feed.csv", ";")}
    ads = _good("ads.csv")
    assert len({ad["ad_id"] for ad in ads}) == len(ads)
    assert {ad["product_id"] for ad in ads} <= products
    for ad in ads:
        with Image.open(HAUSHALT / ad["picture"]) as picture:
            assert picture.convert("RGB").size == (192, 192)


def test_clicks_tell_what_each_shopper_likes() -> None:
    looks = {ad.ad_id: (ad.style, ad.tone) for ad in shop_ads(articles())}
    liked: list[int] = []
    other: list[int] = []
    for row in _good("clicks.csv"):
        if row["anzeige"] in looks:
            style, tone = taste(int(row["kunde"].removeprefix("kd-")) - 1)
            matches = (looks[row["anzeige"]][0] == style) + (looks[row["anzeige"]][1] == tone)
            if matches != 1:
                (liked if matches else other).append(int(row["geklickt"]))
    assert np.mean(liked) > 5 * np.mean(other)


def test_some_clicks_name_no_ad_or_one_that_is_no_more() -> None:
    ads = {ad["ad_id"] for ad in _good("ads.csv")}
    clicked = [row["anzeige"] for row in _good("clicks.csv") if row["geklickt"] == "1"]
    assert 0.05 < clicked.count("") / len(clicked) < 0.25
    assert any(name and name not in ads for name in clicked)
    assert len({row["kunde"] for row in _good("clicks.csv")}) == SHOPPERS


def test_clicks_are_in_order_of_time() -> None:
    moments = [int(row["zeit"]) for row in _good("clicks.csv")]
    assert moments == sorted(moments)


def test_photos_are_of_the_kinds_that_shops_have() -> None:
    folder = HAUSHALT / "pictures"
    assert {Image.open(folder / name).mode for name in CMYK} == {"CMYK"}
    assert {Image.open(folder / name).getexif()[ORIENTATION] for name in TURNED} == {6}
    for name in PALETTES:
        with Image.open(folder / name) as picture:
            assert picture.mode == "P"
            assert picture.convert("RGBA").getchannel("A").getextrema() == (0, 255)
    assert (folder / "kaesereibe.png").read_bytes()[24] == 16
    assert Image.open(folder / "schneidebrett.tiff").format == "TIFF"


def test_the_broken_photo_cannot_be_read() -> None:
    with (
        Image.open(HAUSHALT / "pictures" / BROKEN) as picture,
        pytest.raises(OSError, match="truncated"),
    ):
        picture.load()


def test_a_photo_that_is_drawn_again_is_the_same() -> None:
    ad = shop_ads(articles())[0]
    drawn = stand(cutout(ad.article.picture), scene(ad.style, ad.palette, seed=0))
    with Image.open(HAUSHALT / ad.picture) as kept:
        away = np.abs(np.asarray(kept.convert("RGB"), float) - np.asarray(drawn, float))
    assert away.mean() < 4


def test_all_photos_can_be_read_and_the_shop_stays_small() -> None:
    for name in PHOTOS:
        with Image.open(HAUSHALT / "pictures" / name) as picture:
            assert min(ImageOps.exif_transpose(picture).size) > 60
    assert sum(path.stat().st_size for path in _files(HAUSHALT)) < _MAX_BYTES


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
