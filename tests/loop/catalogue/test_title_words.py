"""The words of titles come from the settings, else from the shop's own ads, by language."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.catalogue.product import Price, Product
from adloom.loop.catalogue.words.titles import TitleWords, style_words, words_in
from adloom.loop.settings.titles import TitleSettings

LAMP = Product("lamp", "Tischlampe", language="de-AT", selling_points=("warmes Licht",))
TITLES = [
    "Endlich: Tischlampe, warmes Licht!",
    "Endlich, gemütlich: die Tischlampe",
    "Gemütlich. Tischlampe. 24h.",
    "Einmalig: 24h Licht",
]
OWN = [LAMP.name, *LAMP.selling_points]


def titles(**given: object) -> TitleSettings:
    """Settings as they stand in a file."""
    return TitleSettings.model_validate(given)


def test_words_that_are_set_come_before_those_that_are_learnt() -> None:
    words = TitleWords(titles(de={"words": ["neu"]}), lambda language: ("endlich",))
    assert words.rules(LAMP).style_words == ("neu",)
    assert words.rules(Product("p", "Lamp")).style_words == ("endlich",)
    none = TitleWords(titles(de={"words": []}), lambda language: ("endlich",))
    assert none.rules(LAMP).style_words == ()


def test_a_language_falls_back_to_what_it_is_part_of() -> None:
    settings = titles(
        banned=["x"],
        de={"words": ["neu"], "banned": ["y"], "saving": ["knüllerpreis"]},
        **{"de-AT": {"banned": ["z"]}},
    )
    rules = TitleWords(settings, lambda language: ()).rules(LAMP)
    assert (rules.language, rules.style_words) == ("de-AT", ("neu",))
    assert rules.banned == ("x", "z", "y")
    assert rules.saving_words == ("knüllerpreis",)


def test_only_products_with_a_sale_price_may_speak_of_a_saving() -> None:
    words = TitleWords(titles(de={"words": ["Rabatt"]}), lambda language: ())
    reduced = Product("lamp", "Lampe", language="de", sale_price=Price(Decimal(5), "EUR"))
    assert words.rules(reduced).allowed(("Rabatt",)) == ("Rabatt",)
    assert words.rules(LAMP).allowed(("Rabatt", "neu")) == ("neu",)


def test_products_of_the_same_rules_share_them() -> None:
    words = TitleWords(titles(), lambda language: ("endlich",))
    assert words.rules(LAMP) is words.rules(Product("other", "Lampe", language="de-AT"))


def test_style_is_what_several_titles_say_and_no_product_has() -> None:
    assert style_words(TITLES, OWN, "de") == ("Endlich", "gemütlich")


def test_a_phrase_is_learnt_as_it_stands_between_its_marks() -> None:
    titles = [
        "L'aventure commence : Tente Vanoise",
        "Réchaud Gaz, l'aventure commence !",
        "Prêt pour les sommets. Sac 30 L",
        "Sac 30 L – prêt pour les sommets",
        "Partez léger avec la Tente",
        "Partez léger avec le Réchaud",
    ]
    own = ["Tente Vanoise", "Réchaud Gaz", "Sac 30 L"]
    assert style_words(titles, own, "fr") == ("l'aventure commence", "prêt pour les sommets")


def test_small_words_alone_and_long_sentences_are_no_style() -> None:
    long = "Ein ganz besonders langer Satz ohne Ende"
    titles = ["Die: Lampe. Schön", f"Die, Licht! schön. {long}", long]
    assert style_words(titles, [], "de-AT") == ("schön",)


def test_phrases_that_are_only_ever_written_large_stay_so() -> None:
    titles = ["Freude am Kochen: Topf", "Freude am Kochen!"]
    assert style_words(titles, [], "de") == ("Freude am Kochen",)


def test_at_most_500_phrases_are_learnt_the_most_used_first() -> None:
    many = [". ".join(f"w{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}x" for n in range(600))] * 2
    found = style_words([*many, "waax. waax", "waax", "wabx"], [], "en")
    assert len(found) == 500
    assert set(found[:2]) == {"waax", "wabx"}


@pytest.mark.parametrize(
    ("language", "ads", "own", "phrase"),
    [
        (
            "ja",
            ["毎日がごちそう！三徳包丁", "土鍋、毎日がごちそう"],
            ["三徳包丁", "土鍋"],
            "毎日がごちそう",
        ),
        ("zh", ["生活更美好：茶壶", "锅。生活更美好"], ["茶壶", "锅"], "生活更美好"),
        ("th", ["ให้บ้านสวย: โคมไฟ", "หม้อ, ให้บ้านสวย"], ["โคมไฟ", "หม้อ"], "ให้บ้านสวย"),
        ("ko", ["자연과 함께: 텐트", "자연과 함께! 침낭"], ["텐트", "침낭"], "자연과 함께"),
        ("km", ["ស្អាត: ពន្លឺ", "ស្អាត។ ពន្លឺ"], ["ពន្លឺ"], "ស្អាត"),
    ],
)
def test_phrases_are_learnt_in_any_script(
    language: str, ads: list[str], own: list[str], phrase: str
) -> None:
    assert style_words(ads, own, language)[:1] == (phrase,)


@given(st.text(), st.sampled_from(["en", "ja", "zh-TW", "th", "ko", "xx"]))
def test_words_are_parts_of_their_text(text: str, language: str) -> None:
    assert all(word and not word.isspace() for word in words_in(text, language))
