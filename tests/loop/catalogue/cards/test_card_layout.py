"""Nothing leaves a card, nothing is cut off the product, and no word lies over it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adloom.loop.catalogue.briefs import finished
from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.cards.card import draw_card, lay_out
from adloom.loop.catalogue.cards.formats import FORMATS, Format
from adloom.loop.catalogue.cards.palette import LEAST_CONTRAST, contrast, palette_of
from adloom.loop.catalogue.cards.product_box import product_box
from adloom.loop.catalogue.cards.wording import Words
from adloom.loop.demo.shop.catalog import load_catalog
from tests.loop.catalogue.cards.card_parts import TITLES, pictured, said

SIZES = {
    "square": (1080, 1080),
    "portrait": (1080, 1350),
    "landscape": (1200, 628),
    "story": (1080, 1920),
}
CARDS = st.sampled_from(sorted(FORMATS.values(), key=lambda card: card.name))
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def scene(size: tuple[int, int], seed: int) -> Image.Image:
    """A picture of soft colours."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@settings(max_examples=40, deadline=None)
@given(shown=pictured(), words=st.none() | said(), card=CARDS, colour=COLOURS)
def test_all_that_a_card_shows_is_on_it_and_apart(
    shown: tuple[tuple[int, int], Box],
    words: Words | None,
    card: Format,
    colour: tuple[int, int, int],
) -> None:
    size, product = shown
    palette = palette_of(Image.new("RGB", (8, 8), colour))
    layout = lay_out(size, product, words, card, palette)
    assert layout.size == SIZES[card.name]
    assert card.free.holds(layout.product)
    assert layout.product.width >= layout.frame.scale * product.width - 0.01
    assert layout.product.height >= layout.frame.scale * product.height - 0.01
    if words is None:
        assert layout.banner is None
        return
    banner = layout.banner
    assert banner is not None
    assert not banner.box.meets(layout.product)
    placed = [one.box for one in banner.written]
    for one in banner.written:
        assert banner.box.holds(one.box)
        assert card.free.holds(one.box)
        assert contrast(one.colour, one.ground) >= LEAST_CONTRAST
    for number, box in enumerate(placed):
        assert not any(box.meets(other) for other in placed[number + 1 :])
    if banner.button is not None:
        assert card.free.holds(banner.button)
        assert banner.box.holds(banner.button)
        apart = [one.box for one in banner.written if one.ground != banner.button_colour]
        assert not any(banner.button.meets(box) for box in apart)
        inside = [one.box for one in banner.written if one.ground == banner.button_colour]
        assert inside
        assert all(banner.button.holds(box) for box in inside)


@settings(max_examples=8, deadline=None)
@given(words=said(), card=CARDS, seed=st.integers(0, 99))
def test_ink_is_where_it_is_said_to_be(words: Words, card: Format, seed: int) -> None:
    picture = scene((128, 128), seed)
    drawn, layout = draw_card(picture, Box(30, 30, 90, 110), words, card)
    banner = layout.banner
    assert banner is not None
    pixels = np.asarray(drawn.crop(banner.box.edges))
    inked = (pixels != np.array(banner.ground)).any(axis=-1)
    boxes = [one.box for one in banner.written] + ([banner.button] if banner.button else [])
    for box in boxes:
        at = box.moved(-banner.box.left, -banner.box.top)
        assert inked[at.top : at.bottom, at.left : at.right].any()
        inked[at.top : at.bottom, at.left : at.right] = False
    assert not inked.any()


@pytest.mark.parametrize("language", TITLES)
def test_every_script_has_its_letters_and_its_whole_title(language: str) -> None:
    words = Words(TITLES[language], language)
    layout = lay_out(
        (512, 512),
        Box(100, 100, 400, 400),
        words,
        FORMATS["portrait"],
        palette_of(scene((9, 9), 1)),
    )
    assert layout.banner is not None
    assert layout.banner.missing == ""
    written = "".join(one.line.text for one in layout.banner.written)
    without_spaces = ["".join(text.split()) for text in (written, TITLES[language])]
    assert without_spaces[0] == without_spaces[1]


def test_what_is_read_from_the_right_is_laid_out_from_the_right() -> None:
    card, grey = FORMATS["landscape"], palette_of(Image.new("RGB", (8, 8)))
    arabic = lay_out(
        (512, 512), Box(99, 99, 400, 400), Words(TITLES["ar"], "ar", "5 ﷼", "", "تسوّق"), card, grey
    )
    english = lay_out(
        (512, 512), Box(99, 99, 400, 400), Words(TITLES["en"], "en", "$5", "", "Buy"), card, grey
    )
    assert arabic.banner is not None
    assert english.banner is not None
    assert arabic.banner.box == english.banner.box.mirrored(card.card)
    assert arabic.region.left > 0 == english.region.left
    room = card.words.mirrored(card.card)
    assert {one.box.right for one in arabic.banner.written if one.ground == grey.ground} == {
        room.right
    }
    assert {one.box.left for one in english.banner.written if one.ground == grey.ground} == {
        card.words.left
    }


@pytest.mark.parametrize("name", FORMATS)
def test_the_product_is_whole_and_sharp_on_every_card(name: str) -> None:
    product = load_catalog()["running-shoes"]
    picture = finished(scene((64, 64), 3), product)
    box = product_box(picture, product)
    card, layout = draw_card(picture, box, None, FORMATS[name])  # type: ignore[index]
    seen = card.crop(layout.product.edges).resize(box.size)
    own = picture.crop(box.edges)
    assert np.abs(np.asarray(seen, float) - np.asarray(own, float)).mean() < 6


def test_where_the_product_is_comes_from_what_is_seen() -> None:
    shoe, mug = load_catalog()["running-shoes"], load_catalog()["coffee-mug"]
    picture = finished(scene((64, 64), 3), shoe)
    kept = io.BytesIO()
    picture.save(kept, "WEBP", quality=90)
    with Image.open(kept) as opened:
        as_kept = opened.convert("RGB")
    box = product_box(as_kept, shoe)
    assert box == product_box(picture, shoe)
    assert box != Box(0, 0, 512, 512)
    assert product_box(as_kept, mug) == Box(0, 0, 512, 512)  # the shop changed the picture
    assert product_box(scene((300, 200), 3), shoe) == Box(0, 0, 300, 200)  # an ad of its own


def test_the_same_ad_gives_the_same_pixels() -> None:
    words = Words(TITLES["ja"], "ja", "￥1,980", "￥2,980", "今すぐ購入")
    cards = [
        draw_card(scene((64, 64), 5), Box(9, 9, 50, 60), words, FORMATS["story"])[0].tobytes()
        for _ in range(2)
    ]
    assert cards[0] == cards[1]


@settings(max_examples=50, deadline=None)
@given(COLOURS, COLOURS)
def test_every_colour_of_a_banner_can_be_read(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    picture = Image.new("RGB", (24, 24), one)
    picture.paste(other, (0, 0, 24, 9))
    palette = palette_of(picture)
    for ink in (palette.ink, palette.accent, palette.faint):
        assert contrast(palette.ground, ink) >= LEAST_CONTRAST
    assert contrast(palette.accent, palette.on_accent) >= LEAST_CONTRAST
