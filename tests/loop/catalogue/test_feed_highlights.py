"""Where a shop tells no selling points, its description does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop.catalogue.feeds.highlights import highlights
from adloom.loop.catalogue.feeds.parsing import parse_product


@pytest.mark.parametrize(
    ("language", "name", "description", "expected"),
    [
        (
            "de",
            "Pfeffermühle",
            "Handgefertigte Pfeffermühle aus geöltem Nussbaumholz mit einem Keramikmahlwerk, das "
            "sich stufenlos verstellen lässt. Höhe 18 cm. Nur 19,99 EUR.",
            {"geöltem Nussbaumholz", "Keramikmahlwerk"},
        ),
        (
            "en",
            "Pepper mill",
            "A hand-made pepper mill of oiled walnut with a ceramic grinder. Only $20.",
            {"oiled walnut", "ceramic grinder"},
        ),
        (
            "ja",
            "ペッパーミル",
            "天然クルミ材を使ったペッパーミルです。セラミック製の刃で挽き具合を自由に調整でき、お手入れも簡単。",
            {"天然クルミ材", "セラミック製", "お手入れも簡単"},
        ),
        (
            "zh-CN",
            "胡椒研磨器",
            "采用天然胡桃木手工制作的胡椒研磨器。陶瓷磨芯、易于清洁。",
            {"陶瓷磨芯", "易于清洁"},
        ),
        (
            "th",
            "เครื่องบดพริกไทย",
            "เครื่องบดพริกไทยทำมือ ใบมีดเซรามิก ทำความสะอาดง่าย",
            {"ใบมีดเซรามิก", "ทำความสะอาดง่าย"},
        ),
        (
            "ar",
            "مطحنة فلفل",
            "مطحنة فلفل من خشب الجوز الطبيعي مع آلية سيراميك قابلة للتعديل",
            {"خشب الجوز الطبيعي", "آلية سيراميك قابلة للتعديل"},
        ),
    ],
)
def test_selling_points_are_found_in_many_languages(
    language: str, name: str, description: str, expected: set[str]
) -> None:
    assert set(highlights(description, language, name)) == expected


@given(
    st.text(st.sampled_from("aBc mit der über 胡椒の、。, .\n-5€ไม้"), max_size=300),
    st.sampled_from(["de", "en", "ja", "th", "xx", "nb"]),
    st.text("aBc胡椒", max_size=4),
)
def test_selling_points_stand_in_the_description(
    description: str, language: str, name: str
) -> None:
    found = highlights(description, language, name)
    assert len(found) <= 5
    for phrase in found:
        assert phrase in description
        assert len(phrase) <= 60
        assert len(phrase.split()) <= 4
        assert not name or name.casefold() not in phrase.casefold()
        assert "€" not in phrase


def test_the_same_is_not_said_twice() -> None:
    found = highlights("Ceramic grinder. Sharp ceramic grinder. ceramic grinder!", "en", "Mill")
    assert found == ("Sharp ceramic grinder",)


def test_long_descriptions_are_cut_between_clauses() -> None:
    found = highlights("Made of oiled walnut. " * 200 + "Sharp blade", "en", "Mill")
    assert found == ("oiled walnut",)
    assert highlights("walnut " * 2000, "en", "Mill") == ()


def test_a_product_takes_them_where_none_are_told() -> None:
    fields = {"id": "1", "title": "Mill", "description": "Of <b>oiled walnut</b>."}
    assert parse_product(fields, "en").selling_points == ("oiled walnut",)
    fields["product_highlight"] = "made by hand"
    assert parse_product(fields, "en").selling_points == ("made by hand",)
