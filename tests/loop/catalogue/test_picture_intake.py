"""Of every picture the whole is kept, and the product alone where it can be told."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from adloom.loop.catalogue.pictures.by_model import MissingExtra
from adloom.loop.catalogue.pictures.decode import BadPicture
from adloom.loop.catalogue.pictures.intake import Intake, take_in
from adloom.loop.settings.catalogue import CatalogSettings


def taken(picture: Image.Image, **settings: object) -> Intake:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return take_in(content.getvalue(), CatalogSettings.model_validate(settings))


def disc(ground: object, mode: str = "RGB", side: int = 400) -> Image.Image:
    picture = Image.new(mode, (side, side), ground)  # type: ignore[arg-type]
    ImageDraw.Draw(picture).ellipse((side // 4, side // 4, side // 2, side // 2), "firebrick")
    return picture


def scene() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((400, 300), Image.Resampling.BICUBIC)


def test_transparency_makes_the_cutout() -> None:
    intake = taken(disc((0, 0, 0, 0), "RGBA"))
    assert intake.cutout is not None
    assert (intake.cutout.mode, intake.cutout.size, intake.reason) == ("RGBA", (101, 101), None)
    assert (intake.whole.mode, intake.whole.size) == ("RGBA", (400, 400))


def test_a_plain_ground_is_taken_away() -> None:
    intake = taken(disc("white"))
    assert intake.cutout is not None
    assert abs(intake.cutout.width - 101) <= 2
    assert intake.whole.mode == "RGB"


@pytest.mark.parametrize("way", ["plain", "off"])
def test_a_scene_is_shown_whole(way: str) -> None:
    intake = taken(scene(), cutout=way)
    assert intake.cutout is None
    assert (
        intake.reason
        == {
            "plain": "its ground is not plain",
            "off": "it has no transparency, and [catalog] cutout is off",
        }[way]
    )
    assert intake.whole.size == (400, 300)


def test_rounded_corners_make_no_cutout() -> None:
    rounded = scene()
    mask = Image.new("L", rounded.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 399, 299), 30, 255)
    rounded.putalpha(mask)
    intake = taken(rounded)
    assert intake.cutout is None
    assert intake.whole.mode == "RGB"
    assert intake.whole.getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(BadPicture, match="every pixel is transparent"):
        taken(Image.new("RGBA", (64, 64), (200, 10, 10, 9)))


def test_whole_pictures_have_at_most_1024_pixels_a_side() -> None:
    assert taken(disc("white", side=2000)).whole.size == (1024, 1024)


def test_limits_are_those_of_the_settings() -> None:
    with pytest.raises(BadPicture, match="400 x 400"):
        taken(disc("white"), max_picture_pixels=10_000)
    with pytest.raises(BadPicture, match="1,024 bytes"):
        taken(scene(), max_picture_bytes=1024)


def test_a_model_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'adloom\[cutout\]'"):
        taken(scene(), cutout="rembg")


def test_what_is_transparent_needs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    assert taken(disc((0, 0, 0, 0), "RGBA"), cutout="rembg").cutout is not None


def test_a_cutout_that_is_mostly_hole_is_hinted_at() -> None:
    rim = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(rim).ellipse((40, 40, 160, 160), outline=(40, 60, 120), width=8)
    intake = taken(rim)
    assert intake.cutout is not None
    assert "taken for a hole" in intake.hint
    solid = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(solid).ellipse((40, 40, 160, 160), fill=(40, 60, 120))
    assert taken(solid).hint == ""
