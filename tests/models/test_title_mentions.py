"""What a title says is found whatever its script, case or width; what it does not say is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.models.titles.mentions import (
    begun,
    describes,
    mentions,
    says_nothing_but,
    spelt,
    without,
)
from adloom.models.titles.scripts import capitalised, small, tidied


@pytest.mark.parametrize(
    ("title", "phrase"),
    [
        ("Best DESK lamp!", "Desk Lamp"),
        ("Die STRASSE neu", "Straße"),
        ("Cafe\u0301 Set", "café"),
        ("ﾃﾞｽｸﾗﾝﾌﾟ、軽量", "デスクランプ"),
        ("新型デスクランプ登場", "デスクランプ"),
        ("轻便的三德刀", "三德刀"),
        ("โคมไฟตั้งโต๊ะสวย", "ตั้งโต๊ะ"),
        ("책상을 밝히는 램프", "책상"),
        ("Men’s shoes", "men's"),
        ("l'eau pure", "eau"),
        ("Dyson's best", "Dyson"),
        ("Nice! <Duo> mill", "<duo>"),
        ("50% off today", "% off"),
        ("two  words\u00a0here", "words here"),
        ("Pre-Sale", "sale"),
        ("Auf\u00adlauf\u00adform", "Auflaufform"),
        ("İNDİRİM! Çaydanlık", "indirim"),
        ("indirim! Çaydanlık", "İNDİRİM"),
        ("ILIK Çay", "ılık"),
        ("ılık çay", "ILIK"),
        ("تـــخفيض شاي", "تخفيض"),
        ("تَخْفِيض شاي", "تخفيض"),
        ("تخفيض شاي", "تَخْفِيضـ"),
        ("מִבְצָע היום", "מבצע"),
    ],
)
def test_a_phrase_is_found(title: str, phrase: str) -> None:
    ((begin, end),) = mentions(title, phrase)
    assert mentions(title[begin:end], phrase)


@pytest.mark.parametrize(
    ("title", "phrase"),
    [
        ("Desk Lampshade", "Desk Lamp"),
        ("Infirm grips everywhere", "firm grip"),
        ("Wholesale only", "sale"),
        ("Salzstreuer", "Salz"),
        ("Cafe\u0301", "Cafe"),
        ("가죽책상", "책상"),
        ("हिन्दी", "हिन्द"),
        ("anything", ""),
        ("anything", " "),
        ("", "anything"),
        ("ـــ", "ـ"),
        ("sıra", "sir"),
        ("بيعة", "بيع"),
        ("أمل", "امل"),
    ],
)
def test_part_of_a_word_or_character_is_no_mention(title: str, phrase: str) -> None:
    assert mentions(title, phrase) == []


@given(st.text(max_size=20), st.text(max_size=8), st.text(max_size=20))
def test_mentions_are_parts_of_the_title_in_order(before: str, phrase: str, after: str) -> None:
    title = f"{before} {phrase} {after} {phrase}"
    found = mentions(title, phrase)
    edges = [place for mention in found for place in mention]
    assert edges == sorted(edges)
    assert all(begin < end <= len(title) for begin, end in found)


@given(st.text(min_size=1, max_size=20).map(tidied).filter(bool))
def test_a_text_between_others_is_found(phrase: str) -> None:
    assert mentions(f"so {phrase} is", phrase) or not mentions(phrase, phrase)


@pytest.mark.parametrize(
    ("title", "points", "true"),
    [
        ("Desk Lamp, warm light", ("warm light",), True),
        ("Desk Lamp, anew", ("warm light",), False),
        ("Lamp, warm light", ("warm light",), False),
        ("Desk Lamp", (), True),
    ],
)
def test_a_title_describes_by_name_and_selling_point(
    title: str, points: tuple[str, ...], true: bool
) -> None:
    assert describes(title, "Desk Lamp", points) is true


def test_japanese_titles_are_described_by_what_they_say() -> None:
    points = ("軽量", "錆びにくい")
    assert describes("軽量三徳包丁", "三徳包丁", points)
    assert describes("三徳包丁：錆びにくい！", "三徳包丁", points)
    assert not describes("三徳包丁、毎日", "三徳包丁", points)
    assert not describes("包丁、軽量", "三徳包丁", points)


def test_a_name_gets_its_own_spelling_back() -> None:
    title = spelt("Best desk Lamp, desk LAMP (new)", "Desk Lamp")
    assert title == "Best Desk Lamp, Desk Lamp (new)"
    assert spelt("Say lamp", "Desk Lamp") == "Say lamp"
    assert spelt("die STRASSE hier", "Straße") == "die Straße hier"
    assert spelt("an \\1 lamp", r"\1 Lamp") == r"an \1 Lamp"


@pytest.mark.parametrize("mark", [".", "!", "。", "।", " ．", "，", ""])
@pytest.mark.parametrize("name", ["캔버스 토트백", "מנורת שולחן", "Mug No. 5", "三徳包丁"])
def test_a_name_with_a_mark_says_nothing_but_the_name(name: str, mark: str) -> None:
    assert says_nothing_but(name + mark, name)
    assert not says_nothing_but(f"{name}, neu{mark}", name)
    assert not says_nothing_but(f"{name} ❤{mark}", name)
    assert not says_nothing_but(mark, name)


def test_words_beside_a_name_do_not_grow_together_without_it() -> None:
    assert not mentions(without("Pay Lamp less", "Lamp"), "pay less")


@pytest.mark.parametrize(
    ("text", "capital"),
    [
        ("lamp", "Lamp"),
        ("éclair", "Éclair"),
        ("ǆ", "ǅ"),
        ("лампа", "Лампа"),
        ("ßtraße", "ßtraße"),
        ("iPhone case", "iPhone case"),
        ("2-way", "2-way"),
        ("包丁", "包丁"),
        ("ქართული", "ქართული"),
        ("", ""),
    ],
)
def test_a_first_letter_is_capitalised_where_it_has_a_capital(text: str, capital: str) -> None:
    assert capitalised(text) == capital
    if capital != text:
        assert small(capital) == text


@pytest.mark.parametrize("text", ["USB-C hub", "İstanbul", "包丁", "Éa", "lamp"])
def test_a_small_first_letter_is_one_that_can_be_capitalised_back(text: str) -> None:
    assert small(text) == text or capitalised(small(text)) == text


@given(st.text())
def test_tidied_text_is_one_line_and_stays_as_it_is(text: str) -> None:
    once = tidied(text)
    assert tidied(once) == once
    assert once.splitlines() in ([], [once])
    once.encode()


@pytest.mark.parametrize("name", ["¨", "´", "¯ ´"])
def test_a_sign_that_is_written_as_a_mark_on_a_space_is_found(name: str) -> None:
    assert mentions(f"{name}!", name) == [(0, len(name))]


@pytest.mark.parametrize(
    ("title", "name", "shown"),
    [
        ("keeps tea warm, Clay Mug", "Clay Mug", "Keeps tea warm, Clay Mug"),
        ("Clay Mug. keeps tea warm.", "Clay Mug", "Clay Mug. Keeps tea warm."),
        ("Clay Mug, keeps tea warm", "Clay Mug", "Clay Mug, keeps tea warm"),
        ("adidas shoe. for dry days.", "adidas shoe", "adidas shoe. For dry days."),
        ("incl. cable, Lamp", "Lamp", "Incl. cable, Lamp"),
        ("iPhone case, Lamp", "Lamp", "iPhone case, Lamp"),
        ("ça chauffe. Théière", "Théière", "Ça chauffe. Théière"),
        ("保温。茶杯", "茶杯", "保温。茶杯"),
        ("warm", "", "Warm"),
        ("", "Mug", ""),
    ],
)
def test_a_title_begins_with_a_capital_and_a_name_as_it_is(
    title: str, name: str, shown: str
) -> None:
    assert begun(title, name) == shown


def test_a_capital_that_turkish_writes_otherwise_is_not_guessed() -> None:
    assert begun("ince cam, Bardak", "Bardak", "tr") == "ince cam, Bardak"
    assert begun("sade cam, Bardak", "Bardak", "tr-TR") == "Sade cam, Bardak"
