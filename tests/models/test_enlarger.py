"""A base may show its pictures larger than it decodes them; others do as before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.base_name import base_name
from adloom.models.brief import AdBrief
from adloom.models.config import CONFIG_FILE
from adloom.models.damaged_base import DamagedBase
from adloom.models.demo_base import no_demo_base
from adloom.models.enlarger import Enlarger, enlarger_of
from adloom.models.folders import ENLARGER_FILE, no_base
from adloom.models.generator import DEMO_MODEL, AdModel
from tests.tiny_model import TINY, tiny_model

BRIEF = AdBrief("kettle", ("boils fast",), Image.new("RGBA", (20, 30), "#306090"))


def with_enlarger(times: int) -> AdModel:
    """A tiny base whose enlarger has learnt something, whatever it is."""
    model = tiny_model()
    model.config = model.config.model_copy(update={"enlarged": times})
    enlarger = enlarger_of(model.janus.model.vqmodel, times)
    assert enlarger is not None
    model.enlarger = enlarger.eval()
    torch.manual_seed(times)
    with torch.no_grad():
        torch.nn.init.normal_(model.enlarger.last.weight, std=0.02)
    return model


@given(st.sampled_from([2, 4]), st.integers(1, 9), st.integers(1, 9))
def test_untrained_it_is_bicubic_at_any_size(times: int, height: int, width: int) -> None:
    pixels = torch.rand(2, 3, height, width) * 2 - 1
    with torch.inference_mode():
        large = Enlarger(times, 5)(torch.rand(2, 5, height, width), pixels)
    size = (times * height, times * width)
    torch.testing.assert_close(large, F.interpolate(pixels, size, mode="bicubic"))


@pytest.mark.parametrize("times", [2, 4])
def test_ads_are_drawn_as_large_as_their_base_shows_them(times: int, tmp_path: Path) -> None:
    model = with_enlarger(times)
    model.save_pretrained(tmp_path)
    assert no_base(tmp_path) is None
    generator = AdGenerator(AdModel.from_pretrained(tmp_path), dtype=torch.float32)
    [draft] = generator.generate([BRIEF], seeds=[3])
    assert draft.background.size == (times * TINY.picture_size,) * 2
    codes = torch.from_numpy(draft.codes.astype("int64"))[None]
    assert model.enlarger is not None
    with torch.inference_mode():
        read = codebook.features_and_pixels(model.janus.model.vqmodel, codes)
        [wanted] = codebook.to_pictures(model.enlarger(*read))
    assert np.abs(np.asarray(draft.background, int) - np.asarray(wanted, int)).max() <= 1
    [plain] = AdGenerator(tiny_model()).generate([BRIEF], seeds=[3])
    assert plain.title == draft.title
    assert (plain.codes == draft.codes).all()
    assert plain.background.size == (TINY.picture_size,) * 2


def test_the_same_base_has_the_same_name_however_large_it_shows() -> None:
    names = {base_name(m.janus, m.conditioning) for m in (tiny_model(), with_enlarger(4))}
    assert len(names) == 1


def test_a_base_that_lost_what_enlarges_is_refused_in_words(tmp_path: Path) -> None:
    with_enlarger(4).save_pretrained(tmp_path)
    (tmp_path / ENLARGER_FILE).write_bytes((tmp_path / ENLARGER_FILE).read_bytes()[:50])
    assert f"{ENLARGER_FILE} is damaged" in (no_base(tmp_path) or "")
    with pytest.raises(DamagedBase, match="no whole ad generator"):
        AdModel.from_pretrained(tmp_path)
    (tmp_path / ENLARGER_FILE).unlink()
    assert f"{ENLARGER_FILE} is missing" in (no_base(tmp_path) or "")
    with pytest.raises(DamagedBase, match="no whole ad generator"):
        AdModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("damage", [3, 0, "4", None])
def test_a_size_that_no_base_shows_is_refused(damage: object, tmp_path: Path) -> None:
    told = json.loads((DEMO_MODEL / CONFIG_FILE).read_text()) | {"enlarged": damage}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(told))
    with pytest.raises(DamagedBase, match="enlarged"):
        no_demo_base(tmp_path)
