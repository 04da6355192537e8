"""Ad titles: length, selling points, and tones that can be told apart."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, selling_words_in, tone_of, write_title

CATALOG = load_catalog()
PRODUCTS = list(CATALOG.values())


@pytest.mark.parametrize("tone", TONES)
def test_titles_keep_to_length_name_and_selling_points(tone: str) -> None:
    rng = random.Random(1)
    for product in PRODUCTS:
        for _ in range(20):
            title = write_title(product, tone, rng=rng)
            assert 4 <= len(title.split()) <= 10, title
            assert title.isascii()
            assert product.name in title
            assert len(selling_words_in(title, product)) >= 1


@pytest.mark.parametrize("tone", TONES)
def test_the_tone_is_read_back_from_the_wording(tone: str) -> None:
    rng = random.Random(2)
    titles = [write_title(product, tone, rng=rng) for product in PRODUCTS for _ in range(10)]
    right = sum(tone_of(title) == tone for title in titles)
    assert right / len(titles) >= 0.99


def test_each_tone_writes_many_titles_for_one_product() -> None:
    rng = random.Random(3)
    for tone in TONES:
        titles = {write_title(PRODUCTS[0], tone, rng=rng) for _ in range(300)}
        assert len(titles) >= 40


def test_the_same_seed_writes_the_same_title() -> None:
    first = write_title(PRODUCTS[5], "eco", rng=random.Random(9))
    assert first == write_title(PRODUCTS[5], "eco", rng=random.Random(9))


def test_an_unknown_tone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown tone 'angry'.*playful"):
        write_title(PRODUCTS[0], "angry", rng=random.Random(0))


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.product_id)
def test_a_products_own_words_have_no_tone(product: Product) -> None:
    assert tone_of(product.name) is None
    assert tone_of(", ".join(product.selling_points)) is None


def test_a_slip_of_the_generator_does_not_hide_the_tone() -> None:
    assert tone_of("Lowkey obssesed with Trail Runing Shoes, firm grip") == "hype"
    assert tone_of("exquisite wrist watch with golden hands") == "luxury"


def test_selling_words_are_whole_words_whatever_their_case() -> None:
    product = CATALOG["running-shoes"]
    title = "Trail Running Shoes. Firm grip. Cushioned sole."
    assert selling_words_in(title, product) == ("cushioned sole", "firm grip")
    assert selling_words_in("Infirm grips everywhere", product) == ()


@given(st.text())
def test_any_text_gets_a_tone_or_none(text: str) -> None:
    assert tone_of(text) in (*TONES, None)
