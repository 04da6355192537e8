"""Words of style are counted title by title, and are those of all titles at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.words.learnt import LearntWords, learn_title_words
from adloom.loop.catalogue.words.titles import style_words

PRODUCTS = (
    Product(
        "mill",
        "Pfeffermühle Eiche",
        short_name="Mühle",
        selling_points=("feines Mahlwerk",),
        language="de",
    ),
    Product("bowl", "抹茶茶碗", selling_points=("職人の手作り",), language="ja"),
)
TITLES = {
    "mill": [
        "Schlicht schön: Eiche",
        "schlicht FEINES",
        "Schön daheim, Mühle",
        "Für Dich, für dich: Mühle",
    ],
    "bowl": ["華やかな食卓に、抹茶茶碗", "華やかな朝、職人の手作り", "らくらく使える抹茶茶碗"],
}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Catalogue, CreativeStore]]:
    yield from opened(tmp_path)


def opened(folder: Path) -> Iterator[tuple[Catalogue, CreativeStore]]:
    catalogue, creatives = open_catalogue(folder), open_creatives(folder)
    catalogue.put([Entry(product, "", source="feed") for product in PRODUCTS], {})
    yield catalogue, creatives
    catalogue.close()
    creatives.close()


def ads(titles: Sequence[tuple[str, str]], start: int = 0) -> list[Creative]:
    """One a pair of product and title."""
    codes, now = np.zeros(1, dtype=np.int16), datetime.now(UTC)
    return [
        Creative(f"ad-{n}", product, title, "", codes, codes, "shop", "", 0, now)
        for n, (product, title) in enumerate(titles, start)
    ]


def of_all(titles: Sequence[tuple[str, str]], product: Product) -> tuple[str, ...]:
    here = [title for product_id, title in titles if product_id == product.product_id]
    own = (product.name, product.short_name, *product.selling_points) if here else ()
    return style_words(here, own, product.language)


_TITLE = st.sampled_from([(product, title) for product in TITLES for title in TITLES[product]])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(_TITLE, max_size=5), max_size=4))
def test_words_learnt_bit_by_bit_are_those_of_all_titles(
    parts: list[list[tuple[str, str]]],
) -> None:
    with TemporaryDirectory() as folder:
        for catalogue, creatives in opened(Path(folder)):
            words = LearntWords(catalogue)
            titles: list[tuple[str, str]] = []
            for part in parts:
                creatives.add(ads(part, start=len(titles)))
                titles += part
                learn_title_words(catalogue, creatives)
                for product in PRODUCTS:
                    assert words.of(product.language) == of_all(titles, product)


def test_a_title_is_counted_once(stores: tuple[Catalogue, CreativeStore]) -> None:
    catalogue, creatives = stores
    creatives.add(ads([("mill", "Gemütlich, mahlen")]))
    for _ in range(3):
        learn_title_words(catalogue, creatives)
    assert LearntWords(catalogue).of("de") == ()
    creatives.add(ads([("mill", "gemütlich: daheim")], start=1))
    learn_title_words(catalogue, creatives)
    assert LearntWords(catalogue).of("de") == ("gemütlich",)


def test_titles_of_products_that_nobody_knows_are_passed_over(
    stores: tuple[Catalogue, CreativeStore],
) -> None:
    catalogue, creatives = stores
    creatives.add(ads([("none", "Schlicht gut"), ("none", "Schlicht gut"), ("mill", "Schlicht")]))
    learn_title_words(catalogue, creatives)
    assert LearntWords(catalogue).of("de") == ()
