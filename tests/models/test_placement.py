"""The product lies where it was photographed, and where it is pasted nothing else is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief
from adloom.models.compose import compose_ad, cutout_layer, place_cutout
from adloom.models.config import AdGeneratorConfig
from adloom.models.placement import Placement, as_photographed, standing
from tests.models.datasets.test_pad1m import first, write_sample
from tests.tiny_model import tiny_generator, tiny_model

CUTOUT = Image.new("RGBA", (82, 100), (200, 30, 40, 255))


def test_a_product_stays_to_the_pixel_where_its_photo_has_it() -> None:
    placement = as_photographed((38, 23, 120, 123), (384, 384), ratio=100 / 384)
    assert place_cutout(CUTOUT, 384, placement) == (38, 23, 82, 100)
    assert place_cutout(CUTOUT, 768, placement) == (76, 46, 164, 200)


@given(st.data())
def test_whatever_box_a_photo_has_the_picture_has_too(data: st.DataObject) -> None:
    wide, high = (data.draw(st.integers(2, 900)) for _ in range(2))
    left, top = data.draw(st.integers(0, wide - 1)), data.draw(st.integers(0, high - 1))
    right, bottom = data.draw(st.integers(left + 1, wide)), data.draw(st.integers(top + 1, high))
    box = as_photographed((left, top, right, bottom), (wide, high))
    if wide == high:
        assert box.box(wide) == (left, top, right - left, bottom - top)
    ratio = data.draw(st.floats(0.01, 1))
    scaled = as_photographed((left, top, right, bottom), (wide, high), ratio)
    assert max(scaled.width, scaled.height) == pytest.approx(ratio)
    size = data.draw(st.integers(32, 512))
    at, above, width, height = scaled.box(size)
    assert at >= -1
    assert at + width <= size + 1
    assert above >= -1
    assert above + height <= size + 1
    near = scaled.width / 2 <= (left + right) / 2 / wide <= 1 - scaled.width / 2
    assert not near or scaled.centre == pytest.approx((left + right) / 2 / wide)


@pytest.mark.parametrize(
    ("box", "ratio"),
    [((5, 5, 5, 9), None), ((0, 0, 11, 4), None), ((0, 0, 4, 4), 0.0), ((0, 0, 4, 4), 1.5)],
)
def test_a_box_that_is_none_is_refused(box: tuple[int, int, int, int], ratio: float) -> None:
    with pytest.raises(ValueError, match=r"no box|cannot take"):
        as_photographed(box, (10, 10), ratio)


def test_the_encoder_sees_the_product_where_it_will_be_pasted() -> None:
    model = tiny_model()
    size = model.config.picture_size
    placement = Placement(0.25, 0.4, 0.3, 0.3)
    brief = AdBrief("Red mug", ("red",), CUTOUT, placement=placement)
    (seen,) = batch_briefs([brief], model.tokenizer, model.config).cutouts
    there = (seen < 0.9).any(0).numpy()
    pasted = np.asarray(cutout_layer(CUTOUT, size, placement))[..., 3] > 0
    assert np.array_equal(there, pasted)
    (without,) = batch_briefs(
        [AdBrief("Red mug", ("red",), CUTOUT)], model.tokenizer, model.config
    ).cutouts
    assert not np.array_equal((without < 0.9).any(0).numpy(), pasted)


def test_a_picture_that_holds_its_product_shows_it_once_and_gets_no_second_shadow() -> None:
    placement = Placement(0.3, 0.5, 0.2, 0.3)
    ground = Image.new("RGB", (128, 128), (200, 180, 160))
    held = Image.alpha_composite(ground.convert("RGBA"), cutout_layer(CUTOUT, 128, placement))
    ad = compose_ad(held.convert("RGB"), CUTOUT, placement, size=128, shadow=False)
    assert np.array_equal(np.asarray(ad), np.asarray(held.convert("RGB")))
    on_plate = np.asarray(compose_ad(ground, CUTOUT, placement, size=128)).astype(int)
    darker = np.array((on_plate < (200, 180, 160)).all(-1))
    left, top, width, height = placement.box(128)
    darker[top : top + height, left : left + width] = False
    assert darker.any()
    assert not darker[: top + height // 2].any()


def test_a_record_of_pad1m_keeps_its_place_and_ratio(tmp_path: Path) -> None:
    data = write_sample(tmp_path)
    photo = Image.new("RGBA", (384, 384))
    photo.paste(CUTOUT, (38, 23))
    photo.save(data.pictures / "placed.png")
    records = json.loads(data.file.read_text())
    records[0] |= {"f_path_trans": "placed.png", "max_ratio": 100 / 384}
    data.file.write_text(json.dumps(records))
    example = first(data).example()
    assert example.brief.placement is not None
    assert example.brief.placement.box(384) == (38, 23, 82, 100)
    assert example.brief.cutout.size == (82, 100)


def test_what_a_base_has_learnt_is_kept_with_it(tmp_path: Path) -> None:
    folder = tmp_path
    AdGeneratorConfig(product_in_picture=True).save(folder)
    assert AdGeneratorConfig.load(folder).product_in_picture
    assert tiny_generator().casts_shadow


def test_without_a_place_a_product_stands_in_the_middle() -> None:
    assert place_cutout(CUTOUT, 100) == standing(82, 100).box(100) == (26, 29, 48, 58)
