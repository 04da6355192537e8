"""A row's attributes become a product, or the row is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.catalogue.feeds.attributes import product_attributes
from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.prices import parse_price
from adloom.loop.catalogue.feeds.refusals import RowRefused
from adloom.loop.catalogue.product import Price, Product

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def product(**fields: object) -> Product:
    return parse_product({"id": "1", "title": "Mill", **fields}, "en", now=NOON)


def _is_one_line(error: Exception) -> None:
    assert str(error).isprintable()


def warnings(**fields: object) -> list[str]:
    told: list[str] = []
    parse_product({"id": "1", "title": "Mill", **fields}, "en", now=NOON, warn=told.append)
    return told


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("19.99 EUR", "19.99", "EUR"),
        ("EUR 19.99", "19.99", "EUR"),
        ("19,99 EUR", "19.99", "EUR"),
        ("19,99€", "19.99", "EUR"),
        ("1.299,00 EUR", "1299.00", "EUR"),
        ("1,299.00 USD", "1299.00", "USD"),
        ("1.299.000 VND", "1299000", "VND"),
        ("1,299 USD", "1299", "USD"),
        ("1 299,00 EUR", "1299.00", "EUR"),
        ("1\u202f299,00 €", "1299.00", "EUR"),
        ("1'299.00 CHF", "1299.00", "CHF"),
        ("1,00,000 INR", "100000", "INR"),
        ("0.500 EUR", "0.500", "EUR"),
        ("1.250 KWD", "1.250", "KWD"),
        ("¥1,980", "1980", "JPY"),
        ("１９８０円", "1980", "JPY"),
        ("1980 JPY", "1980", "JPY"),
        ("19,- EUR", "19", "EUR"),
        ("eur 5", "5", "EUR"),
        ("0 EUR", "0", "EUR"),
    ],
)
def test_prices_are_read_as_any_country_writes_them(
    written: str, amount: str, currency: str
) -> None:
    assert parse_price(written, "price") == Price(Decimal(amount), currency)


@pytest.mark.parametrize(
    "written",
    ["-5 EUR", "EUR -5", "-€5", "NaN EUR", "inf EUR", "12", "12 50 EUR", "1.2.3 EUR", "5 EUR 3",
     "5 XXY", "1,299,00 EUR", "kr 5", "EUR", "1e5 EUR", "free", "9" * 70, "9" * 14 + " EUR"],
)  # fmt: skip
def test_what_is_no_price_is_refused(written: str) -> None:
    with pytest.raises(RowRefused, match="price: "):
        parse_price(written, "price")


def test_numbers_take_the_currency_told_beside_them() -> None:
    assert product(price=Decimal("19.99"), currency="EUR").price == Price(Decimal("19.99"), "EUR")
    assert product(price=19.99, currency="EUR").price == Price(Decimal("19.99"), "EUR")
    assert product(price={"value": "5", "currency": "EUR"}).price == Price(Decimal(5), "EUR")
    for amount in (float("inf"), -1, True, [-1], {"value": None}):
        with pytest.raises(RowRefused, match="price: "):
            product(price=amount, currency="EUR")
    with pytest.raises(RowRefused, match="has no currency"):
        product(price=5)
    nothing: list[object] = [None, "", float("nan"), Decimal("nan"), Decimal("snan"), []]
    for empty in nothing:
        assert product(price=empty).price is None


@given(st.decimals(0, 10**9, places=2), st.sampled_from(["EUR", "USD", "JPY"]))
def test_a_price_reads_what_a_price_writes(amount: Decimal, currency: str) -> None:
    price = Price(amount, currency)
    assert parse_price(str(price), "price") == price


@given(st.text(max_size=80) | st.floats() | st.integers() | st.decimals())
def test_any_value_is_a_price_or_refused(value: object) -> None:
    try:
        price = parse_price(value, "price", "EUR")
    except RowRefused as error:
        _is_one_line(error)
    else:
        assert price.amount >= 0
        assert "E" not in str(price.amount)


def test_a_sale_price_counts_only_below_the_price() -> None:
    assert product(price="10 EUR", sale_price="8 EUR").sale_price == Price(Decimal(8), "EUR")
    for sale in ("10 EUR", "12 EUR"):
        assert product(price="10 EUR", sale_price=sale).sale_price is None
        assert warnings(price="10 EUR", sale_price=sale) == [
            f"sale_price: left out, for {sale} is not below the price 10 EUR"
        ]
    with pytest.raises(RowRefused, match="is in USD, the price in EUR"):
        product(price="10 EUR", sale_price="8 USD")


def test_a_sale_price_counts_only_in_its_time() -> None:
    def sale(interval: str) -> Price | None:
        return product(
            price="10 EUR", sale_price="8 EUR", sale_price_effective_date=interval
        ).sale_price

    assert sale("2026-01-01T00:00+0100/2026-01-03T00:00+0100") == Price(Decimal(8), "EUR")
    assert sale("2026-01-01/2026-01-03") == Price(Decimal(8), "EUR")
    assert sale("2025-01-01T00:00Z/2025-01-03T00:00Z") is None
    assert sale("2026-01-02T13:00Z/2026-01-03T00:00Z") is None
    assert sale("soon") is None
    assert len(warnings(price="2 EUR", sale_price="1 EUR", sale_price_effective_date="soon")) == 1


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Salz- &amp; Pfeffermühle", "Salz- & Pfeffermühle"),
        ("Salz- & Pfeffermühle <Duo>", "Salz- & Pfeffermühle <Duo>"),
        ("Mill &lt;Duo&gt;", "Mill <Duo>"),
        ("<b>Mill</b> of oak", "Mill of oak"),
        ("Plan <B>", "Plan <B>"),
        ("  a\n b\t c ", "a b c"),
        ("a\x00b", "a b"),
        ("a\u200bb\u202ec", "abc"),
        ("Cafe\u0301", "Café"),
        ("👩‍🍳 Mill", "👩‍🍳 Mill"),
        ("black&copyright", "black&copyright"),
    ],
)
def test_titles_are_what_a_shopper_reads(written: str, name: str) -> None:
    assert product(title=written).name == name


@pytest.mark.parametrize("title", ["\u3164", "\ue000", "\u034f\u0301"])
def test_a_title_that_shows_nothing_is_refused(title: str) -> None:
    with pytest.raises(RowRefused, match="no character that can be seen"):
        product(title=title)
    assert product(title="🫖").name == "🫖"


def test_descriptions_lose_markup_and_keep_their_lines() -> None:
    html = "<p>Of <b>oak.<p>Made by&nbsp;hand<script>1<2</script><!-- x --><ul><li>One<li>Two</ul>"
    assert product(description=html).description == "Of oak.\nMade by hand\nOne\nTwo"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": ""}, "id: is missing"),
        ({"id": "x" * 129}, "id: is longer than 128"),
        ({"id": "a\nb"}, "id: "),
        ({"id": "a\u200bb"}, "id: "),
        ({"id": {"a": 1}}, "id: .* neither text nor number"),
        ({"title": " <b></b> "}, "title: is missing"),
        ({"title": "x" * 301}, "title: is longer"),
        ({"title": "M\ufffdhle"}, "title: has broken characters"),
        ({"title": "\ud800"}, "title: has broken characters"),
        ({"availability": "perhaps"}, "availability: 'perhaps' is none of"),
        ({"link": "javascript:alert(1)"}, "link: "),
        ({"link": "JavaScript:alert(1)"}, "link: "),
        ({"link": "java\nscript:alert(1)"}, "link: "),
        ({"link": "file:///etc/passwd"}, "link: "),
        ({"image_link": "data:image/png;base64,AAAA"}, "image_link: "),
        ({"image_link": "/etc/passwd"}, "image_link: .* leads out"),
        ({"image_link": "a/../../b.png"}, "image_link: .* leads out"),
        ({"image_link": "..\\b.png"}, "image_link: "),
        ({"link": "https://"}, "link: "),
        ({"link": "https://[x"}, "link: "),
        ({"content_language": "German, please"}, "content_language: "),
        ({"description": "x" * 10_001}, "description: is longer than 10,000"),
        ({"product_highlight": ["x"] * 1001}, "product_highlight: has more than"),
        ({"product_highlight": ["x" * 9000] * 40}, "row: is larger"),
    ],
)
def test_a_row_is_refused_with_the_attribute_at_fault(
    fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(RowRefused, match=reason) as error:
        product(**fields)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("in stock", "in_stock"),
        ("in_stock", "in_stock"),
        ("In Stock", "in_stock"),
        ("", "in_stock"),
        ("out of stock", "out_of_stock"),
        ("preorder", "preorder"),
        ("backorder", "backorder"),
        ("https://schema.org/InStock", "in_stock"),
        ("http://schema.org/OutOfStock", "out_of_stock"),
        (True, "in_stock"),
        (False, "out_of_stock"),
    ],
)
def test_availability_in_its_many_spellings(written: object, meant: str) -> None:
    assert product(availability=written).availability == meant


def test_links_are_addresses_or_paths() -> None:
    assert product(link="/p/1").link == "/p/1"
    assert product(link="https://shop.example/a b").link == "https://shop.example/a%20b"
    assert product(link="//shop.example/a").link == "https://shop.example/a"
    assert product(image_link="pictures/a b.png").image == "pictures/a b.png"


def test_highlights_come_as_a_list_or_in_one_text() -> None:
    for told in (
        ["of oak", "made by hand"],
        "of oak|made by hand",
        "of oak; made by hand",
        "of oak\nmade by hand",
        '"of oak","made by hand"',
        '"of oak", "made by hand"',
    ):
        assert product(product_highlight=told).selling_points == ("of oak", "made by hand")
    assert product(product_highlight="of oak, and steel").selling_points == ("of oak, and steel",)
    for told in ('en 5 min,"1,9 kg",léger', "en 5 min, 1,9 kg, léger", "en 5 min、1,9 kg、léger"):
        assert product(product_highlight=told).selling_points == ("en 5 min", "1,9 kg", "léger")


def test_highlights_are_few_short_and_said_once() -> None:
    assert product(product_highlight=["x", "Of oak", "of oak", "y" * 61]).selling_points == (
        "Of oak",
    )
    assert len(product(product_highlight=[f"point {n}" for n in range(12)]).selling_points) == 10


def test_shelves_are_the_shops_own_else_googles() -> None:
    assert product(product_type="Home>Kitchen", google_product_category="A").category == (
        "Home > Kitchen"
    )
    assert product(google_product_category="Home & Garden > Kitchen").category == (
        "Home & Garden > Kitchen"
    )
    assert product(google_product_category="638").category == ""


def test_the_language_is_the_rows_else_the_shops() -> None:
    assert product().language == "en"
    assert product(content_language="DE").language == "de"
    assert product(content_language="pt_br").language == "pt-BR"


def test_numbers_of_tables_are_ids_as_written() -> None:
    assert product(id=4711).product_id == "4711"
    assert product(id=4711.0).product_id == "4711"


def test_attributes_are_told_in_one_line_each() -> None:
    told = product_attributes()
    assert {"id", "title", "price", "product_highlight"} <= set(told)
    assert all(line and "\n" not in line for line in told.values())


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(product_attributes())), _ANYTHING))
def test_any_values_are_a_product_or_refused(fields: dict[str, object]) -> None:
    try:
        read = parse_product(fields, "en")
    except RowRefused as error:
        _is_one_line(error)
    else:
        assert 1 <= len(read.product_id) <= 128
        read.name.encode()
