"""Prices, calls and ends of lines, as each language has them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from adloom.loop.catalogue.cards.breaks import pieces
from adloom.loop.catalogue.cards.fitting import fit
from adloom.loop.catalogue.cards.wording import price_words, words_of
from adloom.loop.catalogue.lettering import face_for, font_of
from adloom.loop.catalogue.product import Price, Product
from tests.loop.catalogue.cards.card_parts import TITLES


@pytest.mark.parametrize(
    ("language", "currency", "written"),
    [
        ("en", "USD", "$1,290.50"),
        ("de", "EUR", "1.290,50\u00a0€"),
        ("de-CH", "CHF", "CHF\u00a01’290.50"),
        ("fr-FR", "EUR", "1\u202f290,50\u00a0€"),
        ("pt-BR", "BRL", "R$\u00a01.290,50"),
        ("hi", "INR", "₹1,290.50"),
        ("ko", "KRW", "₩1,290"),
        ("zh", "CNY", "¥1,290.50"),
        ("qq-QQ", "EUR", "€1,290.50"),
    ],
)
def test_a_price_is_written_as_its_language_does(
    language: str, currency: str, written: str
) -> None:
    told = price_words(Price(Decimal("1290.50"), currency), language)
    assert told.replace("'", "’") == written


def test_a_price_of_before_is_told_where_it_was_higher() -> None:
    def prices(price: str | None, sale: str | None, sale_in: str = "EUR") -> tuple[str, str]:
        product = Product(
            "p",
            "Mug",
            price=Price(Decimal(price), "EUR") if price else None,
            sale_price=Price(Decimal(sale), sale_in) if sale else None,
        )
        words = words_of("A mug", product, {})
        return words.price, words.old_price

    assert prices("10", "8") == ("€8.00", "€10.00")
    assert prices("10", None) == ("€10.00", "")
    assert prices(None, "8") == ("€8.00", "")
    assert prices("10", "12") == ("€10.00", "")
    assert prices("10", "8", "USD") == ("€10.00", "")
    assert prices(None, None) == ("", "")


def test_the_call_is_the_shops_own_or_that_of_the_language() -> None:
    def call(language: str, retired: bool = False, **own: str) -> str:
        product = Product("p", "Mug", language=language, retired=retired)
        return words_of("A mug", product, own).call

    assert call("de-AT") == "Jetzt kaufen"
    assert call("zh") == "立即购买"
    assert call("zh-Hant-TW") == "立即購買"
    assert call("eo") == "Shop now"
    assert call("de", de="Entdecken", en="Discover") == "Entdecken"
    assert call("fr", en="Discover") == "Acheter"
    assert call("eo", en="Discover") == "Discover"
    assert call("pt-BR", PT="Ver mais") == "Ver mais"
    assert call("de", retired=True) == ""


def test_lines_end_where_the_script_allows_it() -> None:
    assert pieces("Für jeden Tag: süß (LED-Lampe)", "de") == [
        "Für ",
        "jeden ",
        "Tag: ",
        "süß ",
        "(LED-",
        "Lampe)",
    ]
    assert pieces("따뜻한 빛 책상 램프!", "ko") == ["따뜻한 ", "빛 ", "책상 ", "램프!"]
    chinese = pieces("宜兴紫砂壶，每天都用得上。", "zh")
    assert "每天" in chinese
    assert not any(part[0] in "，。" for part in chinese)
    assert "โต๊ะ " in pieces("โคมไฟตั้งโต๊ะ แสงอุ่น", "en")
    for language, title in TITLES.items():
        assert "".join(pieces(title, language)) == title


@pytest.mark.parametrize(
    ("language", "title", "parts"),
    [
        (
            "zh",
            "手绘青花瓷马克杯，每天都用得上。",
            ["手绘", "青花瓷马克杯，", "每天", "都用", "得上。"],
        ),
        ("zh-TW", "手工陶瓷茶杯，好看又好用", ["手工陶瓷", "茶杯，", "好看", "又好用"]),
        ("zh", "景德镇手绘青花瓷复古", ["景德镇手绘青花瓷复古"]),
        ("zh", "茶壶 古", ["茶壶 ", "古"]),
        ("ja", "有田焼の大皿三枚", ["有田焼の", "大皿", "三枚"]),
    ],
)
def test_no_line_ends_beside_one_character_alone(
    language: str, title: str, parts: list[str]
) -> None:
    assert pieces(title, language) == parts


@given(
    title=st.text("景德镇手绘青花瓷复古茶壶马克杯，大皿三枚セットの", min_size=4, max_size=24),
    language=st.sampled_from(["zh", "zh-TW", "ja"]),
    width=st.integers(160, 900),
)
@settings(max_examples=100, deadline=None)
def test_the_last_row_is_no_character_alone(title: str, language: str, width: int) -> None:
    title = title.strip("，")
    block = fit(title, language, (width, 400), sizes=(84, 34), most_lines=4)
    if len(block.lines) > 1 and not block.lines[-1][0].text.endswith("…"):
        assert len(block.lines[-1][0].text) > 1


def test_a_long_title_becomes_smaller_and_is_then_cut_between_letters() -> None:
    def written(text: str) -> tuple[float, list[str]]:
        block = fit(text, "de", (400, 160), sizes=(60, 24), most_lines=3)
        assert block.width <= 400
        assert block.height <= 160
        return block.pixels, [line.text for line, _ in block.lines]

    short, middle = written("Süße Träume"), written("Süße Träume für die ganze große Familie")
    assert short[0] == 60 > middle[0] > 24
    assert not any(line.endswith("…") for line in [*short[1], *middle[1]])
    pixels, lines = written("Süße Träume " * 30)
    assert (pixels, len(lines)) == (24, 3)
    assert lines[-1].endswith("…")
    _, lines = written("Rindfleischetikettierungsüberwachungsaufgabe")
    assert lines == ["Rindfleischetikettierungsüber-", "wachungsaufgabe"]
    _, lines = written("x" * 300)
    assert (len(lines), lines[-1][-1]) == (3, "…")
    assert written(" \n ")[1] == []


def test_han_characters_are_drawn_as_the_language_does() -> None:
    def faced(title: str, language: str) -> str:
        face = face_for(title, language, bold=True)
        return str(font_of(face, 20, bold=True).getname()[0]).removeprefix("Noto Sans CJK ")

    found = [faced("限定商品", language) for language in ("zh", "ja-JP", "zh-Hant", "zh-HK", "")]
    assert found == ["SC", "JP", "TC", "HK", "SC"]
    assert faced("限定商品カメラ", "zh") == "JP"


def test_letters_that_no_font_has_are_left_out_and_told() -> None:
    block = fit("Ma\U000f1234ß ✓ 🎁", "de", (600, 100), sizes=(40, 20))
    assert block.missing == "\U000f1234"
    assert len(block.lines) == 1


def test_a_title_of_letters_that_no_font_has_is_told_too() -> None:
    block = fit("བོད་ཇ་", "bo", (600, 100), sizes=(40, 20))
    assert (block.lines, block.missing) == ((), "བོད་ཇ་")


@pytest.mark.parametrize("title", ["﷽ ﷺ ﷽﷽﷽", "ffi ﷽ ﷺ ﷽﷽﷽﷽﷽﷽﷽﷽", "شاي ﷽"])
@pytest.mark.parametrize("rtl", [True, False])
def test_letters_too_intricate_to_be_drawn_bold_are_drawn(title: str, rtl: bool) -> None:
    block = fit(title, "ar", (900, 300), sizes=(84, 34), most_lines=4, rtl=rtl)
    card = Image.new("RGB", (900, 300))
    for line, baseline in block.lines:
        line.draw(ImageDraw.Draw(card), -line.ink.left, baseline, (255, 255, 255))
    assert card.getbbox() is not None
    assert block.missing == ""
