"""Products are cut out of plain grounds as their true cutouts are, and of nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

import adloom.loop.demo.shop
from adloom.loop.catalogue.pictures.cutout import Method
from adloom.loop.catalogue.pictures.cutout import cut_out as found_in
from adloom.loop.catalogue.pictures.plain_ground import NotPlain

CUTOUTS = sorted((Path(adloom.loop.demo.shop.__file__).parent / "cutouts").glob("*.webp"))
GROUNDS = ("white", "grey", "blue", "vignette", "slope", "shadow")
FEW = [path for path in CUTOUTS if path.stem in ("alarm-clock", "running-shoes", "wooden-chair")]


def cut_out(picture: Image.Image, method: Method) -> Image.Image:
    return found_in(picture, method).picture


def as_jpeg(picture: Image.Image, quality: int = 88) -> Image.Image:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return Image.open(written).convert("RGB")


def ground_of(kind: str, width: int, height: int) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    flat = np.zeros((height, width, 3))
    match kind:
        case "white":
            return flat + 255
        case "grey":
            return flat + 232
        case "blue":
            return flat + np.array((120, 170, 215))
        case "vignette":
            return flat + (248 - 28 * (x * x + y * y))[..., None]
        case "slope":
            return flat + (240 - 15 * y)[..., None]
        case _:
            dark = 0.35 * np.clip(1 - np.hypot(x / 0.7, (y - 0.66) / 0.12), 0, 1)
            return (flat + 255) * (1 - dark)[..., None]


def photographed(cutout: Image.Image, kind: str) -> tuple[Image.Image, NDArray[np.float64]]:
    """The product twice as large on a ground, as JPEG, and its true alpha, cropped."""
    width, height = 2 * cutout.width, 2 * cutout.height
    product = cutout.resize((width, height), Image.Resampling.LANCZOS)
    beside, below = round(0.2 * width), round(0.2 * height)
    ground = ground_of(kind, width + 2 * beside, height + 2 * below)
    picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    picture.paste(product, (beside, below), product)
    alpha = np.asarray(product.getchannel("A")) / 255
    rows, columns = np.flatnonzero((alpha > 0.04).any(1)), np.flatnonzero((alpha > 0.04).any(0))
    return as_jpeg(picture), alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def likeness(cutout: Image.Image, alpha: NDArray[np.float64]) -> float:
    """Intersection over union with the true alpha."""
    whole = Image.fromarray(alpha.astype(np.float32))
    true = np.asarray(whole.resize(cutout.size, Image.Resampling.BOX))
    made = np.asarray(cutout.getchannel("A")) / 255
    return float(np.minimum(made, true).sum() / np.maximum(made, true).sum())


def measured(paths: list[Path], kind: str) -> tuple[list[float], int]:
    """Likeness of the products that were cut out, and how many were not."""
    found: list[float] = []
    refused = 0
    for path in paths:
        picture, alpha = photographed(Image.open(path).convert("RGBA"), kind)
        try:
            found.append(likeness(cut_out(picture, "plain"), alpha))
        except NotPlain:
            refused += 1
    return found, refused


@pytest.mark.parametrize("kind", GROUNDS)
def test_products_are_cut_out_of_plain_grounds(kind: str) -> None:
    found, refused = measured(FEW, kind)
    assert refused == 0
    assert min(found) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("kind", GROUNDS)
def test_every_product_is_cut_out_or_refused(kind: str) -> None:
    found, refused = measured(CUTOUTS[::6], kind)
    assert refused <= 2
    assert np.mean(found) > 0.96
    assert min(found) > 0.7


def disc(ground: str, colour: str, size: int = 300) -> Image.Image:
    big = Image.new("RGB", (4 * size, 4 * size), ground)
    ImageDraw.Draw(big).ellipse((size, size, 3 * size, 3 * size), colour)
    return big.resize((size, size), Image.Resampling.LANCZOS)


def padded(photo: Image.Image, corner: int = 0) -> Image.Image:
    """A photo as shops make it square: with nothing above and below, and round corners."""
    alpha = Image.new("L", photo.size, 0)
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, photo.width, photo.height), corner, 255)
    square = Image.new("RGBA", (photo.width, round(1.3 * photo.height)))
    square.paste(photo, (0, round(0.15 * photo.height)), alpha)
    return square


@pytest.mark.parametrize("corner", [0, 60])
def test_a_photo_on_white_with_nothing_around_it_is_no_cutout(corner: int) -> None:
    photo = padded(as_jpeg(disc("white", "navy"), 95), corner)
    assert max(cut_out(photo, "plain").size) < 160  # the disc, and not the box around it
    with pytest.raises(NotPlain):
        cut_out(photo, "off")


def test_a_product_that_fills_its_box_stays_as_it_is() -> None:
    fridge = as_jpeg(disc("gainsboro", "white"))
    assert cut_out(padded(fridge), "plain").size == (256, 256)


def test_the_shops_own_cutouts_stay_as_they_are() -> None:
    for path in CUTOUTS:
        cutout = Image.open(path).convert("RGBA")
        assert cut_out(padded(cutout.crop((-8, -8, *cutout.size))), "off").mode == "RGBA"


def test_no_fringe_of_the_ground_is_left() -> None:
    made = np.asarray(cut_out(as_jpeg(disc("white", "navy"), 95), "plain")).astype(int)
    shown = made[made[..., 3] > 25]
    assert shown[:, :2].max() < 60  # navy has no red and no green; white has both


def test_the_hole_of_a_ring_is_seen_through() -> None:
    ring = disc("white", "firebrick")
    ImageDraw.Draw(ring).ellipse((120, 120, 180, 180), "white")
    made = cut_out(as_jpeg(ring), "plain")
    assert made.getchannel("A").getpixel((made.width // 2, made.height // 2)) == 0


def test_a_label_that_is_nearly_white_stays() -> None:
    labelled = disc("white", "firebrick")
    ImageDraw.Draw(labelled).rectangle((120, 120, 180, 180), (238, 240, 236))
    made = cut_out(as_jpeg(labelled), "plain")
    assert made.getchannel("A").getpixel((made.width // 2, made.height // 2)) == 255


def test_a_small_product_in_a_large_picture_is_cut_out_at_its_own_size() -> None:
    picture = Image.new("RGB", (3000, 2000), "white")
    picture.paste(disc("white", "teal", 400), (300, 900))
    assert max(cut_out(picture, "plain").size) >= 195


def test_alpha_is_cropped_to_what_is_seen() -> None:
    picture = Image.new("RGBA", (200, 200), (255, 0, 0, 9))
    picture.paste((0, 0, 255, 200), (50, 60, 110, 100))
    made = cut_out(picture, "off")
    assert made.size == (60, 40)
    assert made.getpixel((5, 5)) == (0, 0, 255, 200)


def test_large_cutouts_become_small_ones_without_a_fringe() -> None:
    picture = Image.new("RGBA", (1200, 1200), (255, 255, 255, 0))
    ImageDraw.Draw(picture).ellipse((100, 100, 1100, 1100), (0, 0, 128, 255))
    made = np.asarray(cut_out(picture, "plain")).astype(int)
    assert made.shape == (256, 256, 4)
    assert made[made[..., 3] > 25][:, :2].max() < 20


def wall_and_table() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 260, 400, 400), "saddlebrown")
    draw.ellipse((150, 150, 250, 300), "teal")
    return picture


def rough() -> Image.Image:
    noise = np.random.default_rng(0).normal(180, 25, (300, 300, 1)).clip(0, 255)
    picture = Image.fromarray(np.repeat(noise, 3, axis=2).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((90, 90, 210, 210), "navy")
    return picture


def blurred_scene() -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    scene = Image.fromarray(pixels).resize((400, 400), Image.Resampling.BICUBIC)
    return scene.filter(ImageFilter.GaussianBlur(8))


def confetti() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(picture)
    for x, y in np.random.default_rng(2).integers(60, 330, (60, 2)).tolist():
        draw.rectangle((x, y, x + 5, y + 5), "lightblue")
    return picture


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (wall_and_table(), "not plain"),
        (rough(), "rough|not plain"),
        (blurred_scene(), "not plain"),
        (Image.new("RGB", (300, 300), "white"), "nothing stands out"),
        (disc("#ffffff", "#fdfdfd"), "nothing stands out"),
        (confetti(), "pieces"),
        (Image.new("RGB", (300, 300), "teal").resize((300, 300)), "nothing stands out"),
    ],
)
def test_what_cannot_be_told_from_its_ground_is_refused(picture: Image.Image, words: str) -> None:
    with pytest.raises(NotPlain, match=words):
        cut_out(picture, "plain")


def on_the_left(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A block at a tenth of the width, half a tenth wide, on white or on nothing."""
    photo = Image.new(mode, size, "white" if mode == "RGB" else (0, 0, 0, 0))
    wide, high = size
    photo.paste("navy", (wide // 10, high // 4, wide // 10 + wide // 20, high // 2))
    return photo


@pytest.mark.parametrize(
    "photo",
    [
        on_the_left((400, 400), "RGBA"),
        on_the_left((400, 400)),
        on_the_left((3000, 2000)),  # looked at from nearer
        padded(on_the_left((400, 400))),
    ],
    ids=["transparent", "plain", "large", "padded"],
)
def test_it_is_told_where_the_product_lay(photo: Image.Image) -> None:
    found = found_in(photo, "plain")
    wide, high = photo.size
    pad = 0.15 / 1.3 if photo.size == (400, 520) else 0.0
    part = 1 - 2 * pad
    true = np.array([0.1, pad + part / 4, 0.15, pad + part / 2])
    told = np.array(found.box) / [wide, high, wide, high]
    assert np.abs(told - true).max() < 0.006
