"""The demo shop's catalogue: what each product must bring with it."""

import numpy as np
import pytest

from adloom.loop.catalogue.product import NoCutout, Product, UnknownProduct
from adloom.loop.demo.shop.catalog import load_catalog

CATALOG = load_catalog()


def test_about_a_hundred_products_in_ten_categories_of_at_least_eight() -> None:
    assert 90 <= len(CATALOG) <= 130
    assert len(CATALOG.categories) == 10
    for category in CATALOG.categories:
        assert sum(product.category == category for product in CATALOG.values()) >= 8


def test_names_are_unique_and_short() -> None:
    names = [product.name for product in CATALOG.values()]
    assert len(set(names)) == len(names)
    assert all(2 <= len(name.split()) <= 3 and name.isascii() for name in names)


@pytest.mark.parametrize("product", CATALOG.values(), ids=lambda product: product.product_id)
def test_each_product_has_selling_points_and_a_clean_cutout(product: Product) -> None:
    assert 4 <= len(set(product.selling_points)) <= 6
    assert all(1 <= len(point.split()) <= 2 for point in product.selling_points)
    cutout = product.cutout()
    alpha = np.asarray(cutout)[..., 3]
    assert cutout.mode == "RGBA"
    assert 100 <= max(cutout.size) <= 256
    # Cropped to its content, and cut out: every side is touched, the corners are not all filled.
    assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
    assert 0.1 < (alpha > 128).mean() < 0.99


def test_a_cutout_may_be_drawn_on_without_changing_the_next_one() -> None:
    product = CATALOG["wrist-watch"]
    product.cutout().putalpha(0)
    assert np.asarray(product.cutout())[..., 3].max() == 255


def test_an_unknown_product_is_named_in_the_error() -> None:
    with pytest.raises(UnknownProduct, match=r"'no-such-thing'.*adloom catalog list"):
        CATALOG["no-such-thing"]
    assert CATALOG.get("no-such-thing") is None


def test_a_made_up_product_reads_no_file() -> None:
    pictures = CATALOG["coffee-mug"].pictures
    with pytest.raises(UnknownProduct):
        Product("p", "Secret Thing", cutout_name="../../secret", pictures=pictures).cutout()
    with pytest.raises(NoCutout):
        Product("../../secret", "Secret Thing").cutout()
