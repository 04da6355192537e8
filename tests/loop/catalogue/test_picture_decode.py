"""Whatever a shop's picture is, it comes out as sRGB of 8 bits, or as words that say why not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from adloom.loop.catalogue.pictures.decode import BadPicture, decode_picture
from tests.loop.catalogue.icc_profiles import DISPLAY_P3, cmyk_profile, rgb_profile

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged metadata

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
RAMP = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (40, 1))


def colourful() -> Image.Image:
    """64 x 40: red grows to the right, green to the bottom; the blue is even."""
    green = np.tile(np.linspace(0, 255, 40).astype(np.uint8)[:, None], (1, 64))
    return Image.fromarray(np.dstack([RAMP, green, np.full_like(RAMP, 90)]))


def encoded(picture: Image.Image, kind: str, **how: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **how)
    return written.getvalue()


def decode(content: bytes, max_bytes: int = 1 << 20, max_pixels: int = 1 << 20) -> Image.Image:
    return decode_picture(content, max_bytes=max_bytes, max_pixels=max_pixels)


def pixels(picture: Image.Image) -> NDArray[np.int64]:
    return np.asarray(picture).astype(np.int64)


def png(depth: int, colour: int, row: bytes, chunks: dict[bytes, bytes]) -> bytes:
    """16 x 16, written by hand where Pillow cannot write it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    made = b"\x89PNG\r\n\x1a\n"
    made += chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, depth, colour, 0, 0, 0))
    for name, body in chunks.items():
        made += chunk(name, body)
    return made + chunk(b"IDAT", zlib.compress((b"\0" + row) * 16)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_comes_out_as_it_went_in(kind: str) -> None:
    shown = decode(encoded(colourful(), kind, quality=95))
    assert (shown.mode, shown.size) == ("RGB", (64, 40))
    assert np.abs(pixels(shown) - pixels(colourful())).mean() < 3


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_taken_with_the_camera_turned_stands_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    shown = decode(encoded(colourful(), kind, exif=exif))
    upright = colourful().transpose(Image.Transpose.ROTATE_270)
    assert shown.size == (40, 64)
    assert np.abs(pixels(shown) - pixels(upright)).mean() < 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_kept(kind: str) -> None:
    picture = colourful()
    picture.putalpha(Image.fromarray(RAMP))
    shown = decode(encoded(picture, kind))
    assert shown.mode == "RGBA"
    np.testing.assert_array_equal(pixels(shown)[..., 3], RAMP)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_clipped(kind: str) -> None:
    deep = Image.fromarray(np.tile(np.linspace(0, 65_535, 64).astype(np.uint16), (40, 1)))
    shown = pixels(decode(encoded(deep, kind)))
    assert np.abs(shown - RAMP[..., None]).max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floats_are_scaled_by_what_white_must_be(white: float) -> None:
    content = encoded(Image.fromarray(RAMP.astype(np.float32) / 255 * white), "TIFF")
    assert np.abs(pixels(decode(content)) - RAMP[..., None]).max() <= 1


def test_what_is_no_number_is_black() -> None:
    broken = RAMP.astype(np.float32) / 255
    broken[0, :3] = np.nan, np.inf, -np.inf
    shown = pixels(decode(encoded(Image.fromarray(broken), "TIFF")))
    assert (shown[0, :3] == 0).all()
    assert np.abs(shown[1:] - RAMP[1:, :, None]).max() <= 1


def test_32_bit_integers_are_scaled() -> None:
    content = encoded(Image.fromarray(RAMP.astype(np.int32) * 257), "TIFF")
    assert np.abs(pixels(decode(content)) - RAMP[..., None]).max() <= 1


def test_colours_of_16_bits_keep_their_high_half() -> None:
    red = struct.pack(">HHH", 65_535, 0x8080, 0) * 16
    shown = decode(png(16, 2, red, {}))
    assert shown.getpixel((8, 8)) == (255, 128, 0)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key"),
    [
        (16, 2, struct.pack(">HHH", 65_535, 0x8080, 0) * 8 + bytes(48), b"\xff\xff\x80\x80\0\0"),
        (8, 2, b"\xff\x80\0" * 8 + bytes(24), b"\0\xff\0\x80\0\0"),
        (16, 0, b"\x12\x34" * 8 + bytes(16), b"\x12\x34"),
        (8, 0, b"\x12" * 8 + bytes(8), b"\0\x12"),
        (4, 0, b"\xaa" * 4 + bytes(4), b"\0\x0a"),
        (2, 0, b"\xaa" * 2 + bytes(2), b"\0\x02"),
        (1, 0, b"\xff\0", b"\0\x01"),
    ],
)
def test_one_colour_may_mean_nothing_at_any_depth(
    depth: int, colour: int, row: bytes, key: bytes
) -> None:
    shown = decode(png(depth, colour, row, {b"tRNS": key}))
    assert shown.mode == "RGBA"
    assert (pixels(shown)[:, :8, 3] == 0).all()
    assert (pixels(shown)[:, 8:, 3] == 255).all()


@pytest.mark.parametrize("alphas", [b"\0\xff", b"\x40\x80"])
def test_palettes_keep_their_transparency(alphas: bytes) -> None:
    palette = {b"PLTE": b"\xff\0\0" + b"\0\xff\0", b"tRNS": alphas}
    shown = decode(png(8, 3, b"\0" * 8 + b"\1" * 8, palette))
    assert shown.getpixel((0, 0)) == (255, 0, 0, alphas[0])
    assert shown.getpixel((15, 0)) == (0, 255, 0, alphas[1])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "LAB", "RGBA"])
def test_every_mode_of_a_tiff_is_read(mode: str) -> None:
    if mode == "LAB":
        content = encoded(Image.new("LAB", (20, 20), (255, 128, 128)), "TIFF")
    else:
        content = encoded(Image.new("RGB", (20, 20), "white").convert(mode), "TIFF")
    assert pixels(decode(content)).min() >= 253


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_colours_without_a_profile_are_what_screens_make_of_them(kind: str) -> None:
    shown = decode(encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), kind, quality=95))
    assert np.abs(pixels(shown) - (255, 0, 0)).max() < 6


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_colours_follow_their_profile(kind: str) -> None:
    press = cmyk_profile(ink=(53, 80, 67), paper=(100, 0, 0))  # all inks are red
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    shown = decode(encoded(cyan, kind, quality=95, icc_profile=press))
    assert np.abs(pixels(shown) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_wide_screens_become_those_of_srgb(kind: str, mode: str) -> None:
    if (kind, mode) == ("JPEG", "RGBA"):
        pytest.skip("no such JPEG")
    wide = Image.new(mode, (32, 32), (200, 100, 100, 77)[: len(mode)])
    shown = decode(encoded(wide, kind, quality=100, icc_profile=rgb_profile(DISPLAY_P3)))
    assert shown.mode == mode
    assert np.abs(pixels(shown)[0, 0, :3] - (215, 94, 97)).max() < 6
    assert mode == "RGB" or pixels(shown)[0, 0, 3] == 77


@pytest.mark.parametrize("profile", [b"no profile", cmyk_profile((50, 0, 0), (100, 0, 0))])
def test_a_profile_of_no_use_is_left_aside(profile: bytes) -> None:
    shown = decode(encoded(colourful(), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(pixels(shown), pixels(colourful()))


def test_damaged_exif_data_spoils_no_picture() -> None:
    shown = decode(encoded(colourful(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    np.testing.assert_array_equal(pixels(shown), pixels(colourful()))


def frames(kind: str) -> bytes:
    others = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    return encoded(Image.new("RGB", (32, 32)), kind, save_all=True, append_images=others)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_a_file_are_refused(kind: str) -> None:
    with pytest.raises(BadPicture, match="several pictures"):
        decode(frames(kind))


def test_a_phones_picture_with_a_second_one_behind_is_its_first() -> None:
    content = encoded(colourful(), "MPO", save_all=True, append_images=[colourful()])
    assert decode(content).size == (64, 40)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<svg/>", "no picture of a known kind"),
        (encoded(colourful(), "GIF"), "no picture of a known kind"),
        (encoded(Image.new("RGB", (15, 400)), "PNG"), "15 x 400"),
        (encoded(Image.new("RGB", (1100, 1000)), "PNG"), "1100 x 1000"),
        (bytes((1 << 20) + 1), "larger than 1,048,576 bytes"),
        (encoded(colourful(), "JPEG")[:300], "JPEG"),
        (encoded(colourful(), "PNG")[:-30], "PNG"),
        (encoded(colourful(), "WEBP")[:-30], "WebP"),
        (encoded(colourful(), "TIFF")[:200], "TIFF"),
    ],
)
def test_what_is_refused_is_told_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(BadPicture, match=words) as refused:
        decode(content)
    assert "\n" not in str(refused.value)


def test_a_huge_picture_is_refused_by_its_header_alone() -> None:
    content = bytearray(encoded(colourful(), "PNG"))
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(BadPicture, match="60000 x 60000"):
        decode(bytes(content))


def test_text_that_swells_is_refused() -> None:
    swelling = PngImagePlugin.PngInfo()
    swelling.add_text("comment", "a" * (64 << 20), zip=True)
    with pytest.raises(BadPicture):
        decode(encoded(colourful(), "PNG", pnginfo=swelling))


def test_a_profile_and_exif_data_of_megabytes_are_refused() -> None:
    with pytest.raises(BadPicture, match="colour profile"):
        decode(encoded(colourful(), "WEBP", icc_profile=bytes(5 << 20)), max_bytes=20 << 20)
    with pytest.raises(BadPicture, match="EXIF"):
        decode(encoded(colourful(), "WEBP", exif=bytes(2 << 20)), max_bytes=20 << 20)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = encoded(colourful(), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(BadPicture, match="scans"):
        decode(content[:-2] + content[last:-2] * 200 + b"\xff\xd9")


def originals() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 3, "a shoe"
    rich = {"exif": exif, "icc_profile": rgb_profile(DISPLAY_P3)}
    see_through = colourful()
    see_through.putalpha(Image.fromarray(RAMP))
    made = [encoded(colourful(), kind, **rich) for kind in FORMATS]
    made += [encoded(see_through, kind, **rich) for kind in FORMATS[1:]]
    made += [
        encoded(colourful(), "JPEG", progressive=True),
        encoded(colourful().convert("CMYK"), "JPEG"),
        encoded(colourful().convert("P"), "PNG"),
        encoded(see_through, "WEBP", lossless=True),
        *(
            encoded(colourful(), "TIFF", compression=how)
            for how in ("tiff_lzw", "jpeg", "tiff_deflate")
        ),
        *(frames(kind) for kind in FORMATS[1:]),
    ]
    return made


ORIGINALS = originals()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(ORIGINALS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, min(len(content), draw(st.sampled_from([64, 400, 1 << 20])))))
        new = draw(st.binary(max_size=4) | st.sampled_from([b"\xff" * 4, bytes(4), b"\xff\xda"]))
        cut = draw(st.sampled_from([0, len(new), len(new), 9]))
        content[at : at + cut] = new
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


@settings(max_examples=400, deadline=None)
@given(damaged() | st.binary(max_size=200))
def test_whatever_the_bytes_there_is_a_picture_or_one_line(content: bytes) -> None:
    shown, refusal = None, ""
    try:
        shown = decode(content)
    except BadPicture as refused:
        refusal = str(refused)
    if shown is None:
        assert refusal
        assert "\n" not in refusal
    else:
        assert shown.mode in ("RGB", "RGBA")
        assert min(shown.size) >= 16
        assert shown.width * shown.height <= 1 << 20
        assert shown.info == {}
        shown.tobytes()
