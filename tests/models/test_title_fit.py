"""A name fits into a title whole, by its short form, up to a mark, or cut where a word ends."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from adloom.models.titles.fit import fit_name
from adloom.models.titles.scripts import tidied
from tests.tiny_model import tiny_model


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_model().tokenizer


def test_a_name_that_fits_stays_as_it_is(tokenizer: PreTrainedTokenizerFast) -> None:
    fitted = fit_name(tokenizer, " Salz- &  Pfeffermühle <Duo> ", "Duo", 60)
    assert (fitted.text, fitted.cut) == ("Salz- & Pfeffermühle <Duo>", False)
    assert fitted.needed <= 60


def test_the_short_name_stands_for_one_that_does_not_fit(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    fitted = fit_name(tokenizer, "Salz- & Pfeffermühle <Duo>", "Mühle", 10)
    assert (fitted.text, fitted.cut) == ("Mühle", False)
    assert fitted.needed > 10


def test_what_is_needed_counts_the_end_of_the_title(tokenizer: PreTrainedTokenizerFast) -> None:
    needed = fit_name(tokenizer, "Salz- & Pfeffermühle", "", 60).needed
    assert not fit_name(tokenizer, "Salz- & Pfeffermühle", "", needed).cut
    assert fit_name(tokenizer, "Salz- & Pfeffermühle", "", needed - 1).cut


@pytest.mark.parametrize(
    ("name", "room", "text"),
    [
        ("Salz- & Pfeffermühle Duo", "Salz- & Pfefferm", "Salz"),
        ("Große Auflaufform (rund)", "Große Auflaufform (ru", "Große Auflaufform"),
        ("ステンレス三徳包丁", "ステンレス三徳", "ステンレス"),
        ("美しい庖丁", "美しい", "美しい"),
        ("Donaudampfschifffahrt", "Donaudam", "Donaudam"),
        ("👨‍👩‍👧‍👦🏳️‍🌈", "👨‍👩‍👧‍👦🏳️", "👨‍👩‍👧‍👦"),
    ],
)
def test_a_long_name_is_cut_where_a_word_ends(
    tokenizer: PreTrainedTokenizerFast, name: str, room: str, text: str
) -> None:
    limit = fit_name(tokenizer, room, "", 2000).needed
    fitted = fit_name(tokenizer, name, "", limit)
    assert (fitted.text, fitted.cut) == (text, True)


@pytest.mark.parametrize(
    ("name", "room", "own"),
    [
        ("Große Auflaufform (rund)", "Große Auflaufform (ru", "Große Auflaufform"),
        ("Dinner Plate Set, Dishwasher Safe", "Dinner Plate Set, Dish", "Dinner Plate Set"),
        ("大皿三枚セット（木箱入り）ギフト", "大皿三枚セット（木箱", "大皿三枚セット"),
        ("매일 사용하는 텀블러", "매일 사용하는", None),
        ("景德镇手绘青花瓷复古茶壶", "景德镇手绘青花瓷复古", None),
        ("โคมไฟตั้งโต๊ะไม้", "โคมไฟตั้งโ", None),
        ("Деревянная настольная лампа", "Деревянная настоль", None),
        ("Soft, warm and very light blanket", "Soft, warm and very", None),
        ("IKEA – Schreibtischlampe aus Messing", "IKEA – Schreibtischlampe", None),
        ("[New] Desk Lamp", "[New] Desk", None),
    ],
)
def test_what_a_product_is_is_never_cut_from_what_its_own_words_say(
    tokenizer: PreTrainedTokenizerFast, name: str, room: str, own: str | None
) -> None:
    limit = fit_name(tokenizer, room, "", 2000).needed
    fitted = fit_name(tokenizer, name, "", limit)
    assert fitted.cut
    assert (fitted.own, fitted.tells) == ((own, True) if own else (name, False))
    assert fit_name(tokenizer, name + ", " + name, name, limit).own == (own or name)


def without_marks(text: str) -> str:
    return "".join(cluster[0] for cluster in regex.findall(r"\X", tidied(text)))


def test_a_name_under_towers_of_marks_is_said_without_them(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    name = "".join(letter + "\u0316\u0330\u0317" * 9 for letter in "Kanne")
    fitted = fit_name(tokenizer, name, "", 12)
    assert (fitted.text, fitted.cut) == ("Kanne", True)
    assert fit_name(tokenizer, "👨‍👩‍👧‍👦", "", 8).text == "👨"


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=10), st.integers(1, 40))
def test_what_is_fitted_fits_and_ends_with_a_whole_character(
    tokenizer: PreTrainedTokenizerFast, name: str, short_name: str, limit: int
) -> None:
    try:
        fitted = fit_name(tokenizer, name, short_name, limit)
    except ValueError:
        return
    again = fit_name(tokenizer, fitted.text, "", limit)
    assert (again.text, again.cut) == (fitted.text, False)
    assert fitted.tells == (fitted.text == fitted.own)
    if fitted.cut:
        assert fitted.own in (fitted.text, tidied(name), tidied(short_name))
        sources = [short_name, name, *map(without_marks, (short_name, name))]
        source = next(t for t in map(tidied, sources) if t.startswith(fitted.text))
        clusters = regex.findall(r"\X", source)
        beginnings = {"".join(clusters[:count]) for count in range(len(clusters) + 1)}
        assert fitted.text in beginnings


@pytest.mark.parametrize(
    ("name", "limit", "told"),
    [(" \n", 32, "needs the name"), ("👨‍👩‍👧‍👦", 3, "no part of the name")],
)
def test_a_name_that_cannot_be_said_is_an_error(
    tokenizer: PreTrainedTokenizerFast, name: str, limit: int, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        fit_name(tokenizer, name, "", limit)
