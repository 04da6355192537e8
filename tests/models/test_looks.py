"""Vectors of how ads look and how their titles speak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.models.looks import distinct_looks, look_vectors, manner, unit
from adloom.models.picture_encoder import PictureEncoder
from tests.tiny_model import tiny_model

SIZES = pytest.mark.parametrize(
    ("known", "width", "side"), [(1024, 8, 12), (16_384, 8, 24), (3, 5, 1)]
)
"""The demo's codebook, Janus-Pro's, and the least."""


@SIZES
def test_looks_are_of_unit_length_whatever_the_codebook(known: int, width: int, side: int) -> None:
    rng = np.random.default_rng(0)
    entries = unit(rng.standard_normal((known, width)))
    codes = rng.integers(0, known, (3, side * side)).astype(np.int16)
    looks = look_vectors(entries, codes)
    assert looks.shape == (3, 2 * side * width)
    assert looks.dtype == np.float32
    assert np.linalg.norm(looks, axis=1) == pytest.approx(1, abs=1e-5)
    assert look_vectors(entries, codes[:0]).shape == (0, 2 * side * width)
    with pytest.raises(ValueError, match="a square number of codes"):
        look_vectors(entries, np.zeros((1, side * side + 1), np.int16))


def test_a_row_of_a_picture_tells_the_same_wherever_its_parts_are() -> None:
    rng = np.random.default_rng(1)
    entries = unit(rng.standard_normal((64, 8)))
    picture = rng.integers(0, 64, (6, 6))
    turned, upside_down = picture[:, ::-1], picture[::-1]
    one, same, other = look_vectors(
        entries, np.stack([p.reshape(-1) for p in (picture, turned, upside_down)])
    )
    assert one @ same == pytest.approx(1, abs=1e-5)
    assert one @ other < 0.95


@SIZES
def test_distinct_looks_are_at_right_angles_to_what_all_have(
    known: int, width: int, side: int
) -> None:
    rng = np.random.default_rng(2)
    entries = unit(0.8 + rng.standard_normal((known, width)))
    codes = rng.integers(0, known, (40, side * side)).astype(np.int16)
    plain, distinct = look_vectors(entries, codes), distinct_looks(entries, codes)
    told = np.linalg.norm(distinct, axis=1) > 0.5
    assert np.linalg.norm(distinct[told], axis=1) == pytest.approx(1, abs=1e-5)
    if side > 1:
        assert told.all()
        assert (plain @ plain.T).mean() > 0.7
        assert abs((distinct @ distinct.T).mean()) < 0.4
    assert distinct_looks(entries, codes[:0]).shape == plain[:0].shape


def test_the_vectors_are_those_of_the_codebook() -> None:
    model = tiny_model()
    vq = model.janus.model.vqmodel
    vectors = PictureEncoder(vq, model.config).code_vectors
    kept = vq.quantize.embedding.weight.detach().numpy()
    assert vectors.shape == kept.shape
    assert vectors == pytest.approx(unit(kept), abs=1e-5)


MUG = ("Stoneware Mug", ("hand made", "oak-smoked"))


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("Stoneware Mug, hand made!", ""),
        ("Cosy evenings: your Stoneware Mug", "cosy evenings : your"),
        ("WOW! This mug is Oak\u2011smoked", "wow ! this is"),
        ("", ""),
        ("!!!", ""),
    ],
)
def test_what_is_left_of_a_title_is_its_manner(title: str, left: str) -> None:
    assert manner(title, *MUG) == left


def test_titles_without_spaces_lose_their_products_too() -> None:
    assert (
        manner("\u50d5\u306e\u967b\u5668\u306e\u30de\u30b0", "\u967b\u5668\u306e\u30de\u30b0", ())
        == "\u50d5\u306e"
    )
    assert manner("Gem\u00fctlich: Becher", "becher", ()) == "gem\u00fctlich :"


@given(st.text(max_size=60), st.text(max_size=20), st.lists(st.text(max_size=12), max_size=3))
def test_a_manner_says_nothing_of_what_the_product_is_called(
    title: str, name: str, points: list[str]
) -> None:
    said = manner(title, name, tuple(points))
    assert manner(name, name, tuple(points)) == ""
    assert said == "" or any(character.isalnum() for character in said)
