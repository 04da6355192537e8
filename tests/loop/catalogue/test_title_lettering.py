"""Titles are drawn in letters of their script, never as the boxes of letters that are missing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.lettering import font_for

TITLES = {
    "en": "Fresh coffee, every day!",
    "de": "Für jeden Tag: süß & größer",
    "pl": "Świeża kawa, łyk radości",
    "ru": "Свежий кофе каждый день",
    "zh": "宜兴紫砂壶，每天都用得上。",
    "ja": "毎日使える軽い包丁、カタカナも",
    "ko": "따뜻한 빛 책상 램프!",
    "ar": "مصباح مكتب بضوء دافئ، LED 5W",
    "th": "โคมไฟตั้งโต๊ะ แสงอุ่น",
    "hi": "गरम रोशनी वाला डेस्क लैंप",
}


@pytest.mark.parametrize("language", TITLES)
def test_no_letter_of_a_title_is_a_box(language: str) -> None:
    font = font_for(TITLES[language], 40)
    box = bytes(font.getmask(chr(0x10FFFF)))
    drawn = {letter: bytes(font.getmask(letter)) for letter in TITLES[language] if letter != " "}
    assert [letter for letter, mask in drawn.items() if mask == box] == []


def test_cards_of_two_chinese_titles_differ() -> None:
    picture = Image.new("RGB", (256, 256), "teal")
    one, other = (
        np.asarray(finish_ad(picture, title)) for title in ("限时好物轻便", "送礼首选耐用")
    )
    assert not np.array_equal(one, other)


def test_han_characters_are_as_the_other_letters_of_the_title_have_them() -> None:
    faces = [font_for(title, 20).getname()[0] for title in ("直 한글", "直ぐに", "直接")]
    assert faces == ["Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC"]


def test_english_stays_in_the_font_that_it_was_in() -> None:
    default = ImageFont.load_default(size=20)
    assert isinstance(default, ImageFont.FreeTypeFont)
    assert font_for(TITLES["en"], 20).getname() == default.getname()
