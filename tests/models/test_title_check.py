"""Titles that may not be shown are told, in every language."""

from __future__ import annotations

import pytest

from adloom.models.titles.check import check_title, plain_title
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.savings import SAVING_WORDS, claims_saving

STRICT = TitleRules("en", banned=("Best",), may_speak_of_saving=False)


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("", "is empty"),
        (" \u3000", "is empty"),
        ("Desk Lamp \ufffd", "REPLACEMENT CHARACTER"),
        ("Desk Lamp\n!", "U+000A"),
        ("Desk Lamp \u202e", "RIGHT-TO-LEFT OVERRIDE"),
        ("A fine lamp", "does not name 'Desk Lamp'"),
        ("Desk Lamp, the best", "says 'Best', which is banned"),
        ("Desk Lamp on sale", "speaks of a price or a saving"),
        ("Desk Lamp -20 %", "speaks of a price or a saving"),
    ],
)
def test_a_title_that_may_not_be_shown_is_told(title: str, told: str) -> None:
    against = check_title(title, "Desk Lamp", STRICT)
    assert against is not None
    assert told in against


@pytest.mark.parametrize("title", ["Desk Lamp", "desk lamp, wholesale better", "Desk Lamp 20%!"])
def test_a_title_that_may_be_shown(title: str) -> None:
    assert check_title(title, "Desk Lamp", STRICT) is None
    assert check_title(title, "Desk Lamp") is None


def test_a_title_that_was_ended_for_want_of_room_is_told() -> None:
    assert check_title("Desk Lamp with", "Desk Lamp", cut=True) == "is cut"


def test_a_name_may_hold_a_banned_word() -> None:
    rules = TitleRules(banned=("best",))
    assert check_title("Best Lamp, fine", "Best Lamp", rules) is None
    assert check_title("Best Lamp, best fine", "Best Lamp", rules) is not None


def test_a_banned_phrase_that_begins_with_the_name_is_banned() -> None:
    rules = TitleRules(banned=("lamp forever", "desk"))
    assert check_title("Desk Lamp, fine", "Desk Lamp", rules) is None
    assert check_title("Desk Lamp forever", "Desk Lamp", rules) is not None


def test_a_product_with_a_sale_price_may_speak_of_a_saving() -> None:
    assert check_title("Desk Lamp on sale", "Desk Lamp", TitleRules()) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Jetzt stark Reduziert", "de-AT"),
        ("夏のセール開催中", "ja"),
        ("限时特价", "zh-Hans-CN"),
        ("今日で終わり、−30%", "ja"),
        ("할인가로", "ko"),
        ("desconto de hoje", "pt-BR"),
        ("hot deal", "en-GB"),
        ("nur heute: 10 € Rabatt", "de"),
        ("nur 9,99 €", "de"),
        ("ab EUR 5", "de"),
        ("only $5", "en"),
        ("1,000円ぽっきり", "ja"),
        ("只要￥99", "zh"),
        ("за 500 руб", "ru"),
        ("nu 99 kr", "sv"),
    ],
)
def test_prices_and_savings_are_known_by_language(text: str, language: str) -> None:
    assert claims_saving(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Macinino per sale", "it"),
        ("100 % Baumwolle", "de"),
        ("USB-3 50%", "en"),
        ("特別な日", "ja"),
        ("5元素", "zh"),
        ("4 Kräuter, 2 Eurokisten", "de"),
    ],
)
def test_other_words_claim_no_saving(text: str, language: str) -> None:
    assert not claims_saving(text, language)


def test_a_shop_adds_words_of_its_own() -> None:
    assert not claims_saving("Knüllerpreis!", "de")
    assert claims_saving("Knüllerpreis!", "de", ["knüllerpreis"])


def test_every_word_of_the_table_is_matched_in_its_language() -> None:
    for language, words in SAVING_WORDS.items():
        for word in words:
            assert claims_saving(f"a {word}!", language), (language, word)


def test_a_plain_title_is_the_name_and_a_selling_point_that_may_be_said() -> None:
    points = ("best of all", "", "warm light")
    assert plain_title("Desk Lamp", points, STRICT) == "Desk Lamp: warm light"
    assert plain_title("Desk Lamp", ("on sale",), STRICT) == "Desk Lamp"
    assert plain_title("Desk Lamp", ("desk lamp", "Lamp", "warm light")) == "Desk Lamp: warm light"
    assert plain_title("三徳包丁", ("軽量",), TitleRules("ja")) == "三徳包丁：軽量"
    assert check_title(plain_title("Desk Lamp", points, STRICT), "Desk Lamp", STRICT) is None


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Daheim Daheim. Lampe", "Daheim"),
        ("Neu, neu! Lampe", "Neu"),
        ("Lampe. Straße STRASSE", "Straße"),
        ("Daheim. Lampe. Daheim", None),
        ("Lampe Lampe Lampe", None),
        ("New New-York Lampe", "New"),
        ("Mit Deckel. Mit Deckel: Lampe", "Mit Deckel"),
        ("Mit Deckel, mit Henkel: Lampe", None),
        ("Neu, neuer Lampe", None),
        ("防水防水 Lampe", "防水"),
        ("保暖防水保暖，防水保暖。Lampe", "防水保暖"),
        ("防水 防水头盔 Lampe", None),
        ("大容量 大容量！Lampe", "大容量"),
        ("大容量，容量大 Lampe", None),
        ("高高兴兴 Lampe", None),
        ("防水、保暖防水保暖 Lampe", "防水保暖"),
        ("轻便、保暖轻便、防风 Lampe", None),
        ("warm, light warm light Lampe", "warm light"),
        ("ふわふわ Lampe", None),
        ("ふわふわ、ふわふわ！Lampe", "ふわふわ"),
        ("กันน้ำ กันน้ำ Lampe", "กันน้ำ"),
    ],
)
def test_no_word_follows_itself_but_in_the_name(title: str, word: str | None) -> None:
    against = check_title(title, "Lampe")
    assert against == (word and f"says {word!r} twice in a row")


def test_a_name_may_repeat_itself() -> None:
    assert check_title("Endlich Bora Bora", "Bora Bora") is None


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Stackable. Oiled. Stackable. Lampe", "stackable"),
        ("Stackable. Lampe. Stackable", "stackable"),
        ("Oak. Lampe. Solid OAK", "oak"),
        ("Oak chair, oak table: Lampe", None),
        ("Solid oak. Lampe. Stackable", None),
        ("Neu. Lampe. Neu", None),
    ],
)
def test_no_selling_point_is_said_again(title: str, word: str | None) -> None:
    points = ("stackable", "solid oak", "oak chair", "oak table", "oak", "")
    against = check_title(title, "Lampe", words=points)
    assert against == (word and f"says {word!r} more than once")


def test_a_plain_title_without_a_name_says_no_selling_point_again() -> None:
    assert plain_title("", ("oak", "Oak", "solid oak", "silk")) == "Oak, silk"
    assert plain_title("", ("oak", "solid oak")) == "Oak"
