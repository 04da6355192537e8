"""The shop's own ads come in once, row by row, and are read as they were."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.words.learnt import LearntWords
from adloom.models.compose import show_whole
from tests.loop.catalogue.creative_shop import SHOE, Shop, noise, reasons, row
from tests.tiny_model import tiny_generator


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, tiny_generator())
    yield made
    made.close()


def test_an_ad_is_kept_as_the_shop_showed_it(shop: Shop) -> None:
    created = datetime(2026, 1, 2, tzinfo=UTC)
    report = shop.take(row(shop.picture("a.png"), created=created))
    assert (report.new, report.unchanged, report.refused) == (1, 0, 0)
    kept = shop.creatives.get("ad-1")
    assert (kept.product_id, kept.title, kept.served_at) == (SHOE, "Run on clouds", created)
    assert (kept.variant, kept.version, kept.seed) == ("shop", "", 0)
    assert kept.codebook == shop.generator.codebook_name
    assert shop.creatives.picture(kept.picture).tobytes() == noise(0).tobytes()
    [codes] = shop.generator.encode_pictures([noise(0)])
    np.testing.assert_array_equal(kept.codes, codes)
    np.testing.assert_array_equal(kept.background_codes, codes)


def test_the_generator_learns_to_draw_the_background_where_the_shop_has_it(shop: Shop) -> None:
    shop.take(
        row(shop.picture("a.png", 1), background=shop.picture("a-scene.png", 2)),
        row(shop.picture("b.png", 3), "ad-2"),
        row(shop.picture("c.png", 4), "ad-3", background=shop.picture("c-scene.png", 5)),
    )
    codes = shop.generator.encode_pictures([noise(seed) for seed in range(6)])
    for ad_id, shown, drawn in [("ad-1", 1, 2), ("ad-2", 3, 3), ("ad-3", 4, 5)]:
        kept = shop.creatives.get(ad_id)
        np.testing.assert_array_equal(kept.codes, codes[shown])
        np.testing.assert_array_equal(kept.background_codes, codes[drawn])


def test_a_picture_keeps_its_shape_and_is_read_whole(shop: Shop) -> None:
    wide = noise(0, (1200, 600))
    shop.take(row(wide))
    kept = shop.creatives.get("ad-1")
    picture = shop.creatives.picture(kept.picture)
    assert picture.size == (512, 256)
    [codes] = shop.generator.encode_pictures([show_whole(picture)])
    np.testing.assert_array_equal(kept.codes, codes)


def test_what_is_transparent_is_shown_on_white(shop: Shop) -> None:
    clear = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    clear.paste((10, 20, 30, 255), (0, 0, 32, 64))
    shop.take(row(clear))
    picture = shop.creatives.picture(shop.creatives.get("ad-1").picture)
    assert (picture.getpixel((5, 5)), picture.getpixel((60, 5))) == (
        (10, 20, 30),
        (255, 255, 255),
    )


def test_known_rows_cost_a_look_and_new_ones_alone_are_encoded(shop: Shop) -> None:
    rows = [row(shop.picture(f"{n}.png", n), f"ad-{n}") for n in range(5)]
    shop.take(*rows[:3])
    assert shop.encoded == 3
    report = shop.take(*rows)
    assert (report.new, report.unchanged, shop.encoded) == (2, 3, 5)
    report = shop.take(*rows)
    assert (report.new, report.unchanged, shop.encoded) == (0, 5, 5)


def test_a_picture_that_was_copied_anew_is_the_same_picture(shop: Shop) -> None:
    shop.take(row(shop.picture("a.png")))
    content = (shop.folder / "a.png").read_bytes()
    for _ in range(2):
        shutil.copy(shop.folder / "a.png", shop.folder / "b.png")
        assert shop.take(row("b.png")).unchanged == 1
        (shop.folder / "a.png").write_bytes(content)
        assert shop.take(row("a.png")).unchanged == 1
    assert shop.encoded == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": "Run faster"}, "ad_id: 'ad-1' is known with another title"),
        ({"product_id": "coffee-mug"}, "ad_id: 'ad-1' is known with another product_id"),
        ({"picture": noise(9)}, "ad_id: 'ad-1' is known with another picture"),
        ({"background": noise(9)}, "ad_id: 'ad-1' is known with another background"),
        ({"background": ""}, "ad_id: 'ad-1' is known with another background"),
    ],
)
def test_an_ad_never_changes(shop: Shop, change: dict[str, Any], reason: str) -> None:
    first = row(noise(0), background=noise(1))
    shop.take(first)
    report = shop.take(replace(first, **change))
    assert (report.refused, report.new, report.unchanged) == (1, 0, 0)
    assert reasons(report)[0].startswith(reason)
    assert "give it another id" in reasons(report)[0]
    assert shop.take(first).unchanged == 1


def test_an_id_that_comes_again_is_judged_by_the_first(shop: Shop) -> None:
    first = row(noise(0))
    report = shop.take(first, first, replace(first, title="Other"), row(noise(1), "ad-2"))
    assert (report.new, report.unchanged, report.refused) == (2, 1, 1)
    assert "known with another title" in reasons(report)[0]


def test_an_ad_that_adloom_drew_cannot_be_brought_in(shop: Shop) -> None:
    codes = np.zeros(16, dtype=np.int16)
    name = shop.creatives.put_picture(noise(0))
    drawn = Creative(
        "ad-1", SHOE, "Run on clouds", name, codes, codes, "champion", "1", 7, datetime.now(UTC)
    )
    shop.creatives.add([drawn])
    [reason] = reasons(shop.take(row(noise(0))))
    assert reason.startswith("ad_id: 'ad-1' is an ad that adloom drew")


def test_a_retired_product_keeps_its_ads_and_an_unknown_one_has_none(shop: Shop) -> None:
    shop.catalogue.retire([SHOE])
    report = shop.take(row(noise(0)), replace(row(noise(0), "ad-2"), product_id="nothing"))
    assert report.new == 1
    assert reasons(report) == [
        "product_id: the catalogue has no 'nothing': import the catalogue first "
        "(adloom catalog import)"
    ]


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ("none.png", "picture: there is no file none.png"),
        ("../home/adloom.db", "picture: "),
        ("outside.png", "picture: outside.png leads out"),
        ("text.png", "picture: this is no picture of a known kind"),
        ("tiny.png", "picture: the picture has only 8 x 8 pixels"),
        ("large.png", "picture: large.png has more than 20,000 bytes"),
        ("wide.png", "picture: the picture has 300 x 20 pixels, more than 5,000"),
        ("https://elsewhere.example/a.png", "picture: "),
    ],
)
def test_a_picture_that_cannot_be_had_is_told_in_words(
    shop: Shop, picture: str, reason: str
) -> None:
    noise(0).save(shop.folder.parent / "outside.png")
    (shop.folder / "outside.png").symlink_to(shop.folder.parent / "outside.png")
    (shop.folder / "text.png").write_text("no picture")
    (shop.folder / "large.png").write_bytes(b"\x89PNG" + bytes(20_000))
    shop.picture("tiny.png", size=(8, 8))
    Image.new("RGB", (300, 20)).save(shop.folder / "wide.png")
    limits = {"max_picture_bytes": 20_000, "max_picture_pixels": 5_000}
    for rows in ([row(picture)], [row(noise(0), background=picture)]):
        report = shop.take(*rows, row(noise(1), "good"), **limits)
        reason = reason.replace("picture:", "background:", int(rows[0].background != ""))
        assert len(reasons(report)) == 1
        assert reasons(report)[0].startswith(reason)
        assert "\n" not in reasons(report)[0]


def test_words_of_style_are_learnt_from_the_titles(shop: Shop) -> None:
    name = shop.catalogue[SHOE].name
    shop.take(*(
        replace(row(noise(n), f"ad-{n}"), title=title)
        for n, title in enumerate([f"Simply: {name}", f"Simply, lovely: {name}", "Lovely", "Once"])
    ))  # fmt: skip
    assert LearntWords(shop.catalogue).of("en") == ("lovely", "Simply")
    assert LearntWords(shop.catalogue).of("de") == ()
