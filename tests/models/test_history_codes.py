"""A base may read a clicked picture as the codes of the picture itself, made small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.kept_tokens import kept_tokens
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.quality.rerank import Reranker
from adloom.models.trends import Trends
from tests.models.test_pictures import noise_picture
from tests.tiny_model import TINY, brief, code_reading_model, products, tiny_generator

PICTURES = [noise_picture(size) for size in (90, 64, 20)]


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    return AdGenerator(code_reading_model())


def after(generator: AdGenerator, clicked: Image.Image) -> AdBrief:
    """A brief for a shopper who clicked an ad with that picture."""
    [codes] = generator.encode_history([clicked])
    return replace(brief(products()[0], 0), history=(HistoryAd("a mug", codes),))


def test_a_clicked_picture_is_read_as_the_codes_of_itself_made_small(
    generator: AdGenerator, tmp_path: Path
) -> None:
    made = generator.encode_history(PICTURES)
    pixels = codebook.to_pixels(PICTURES, 16)
    wanted = codebook.encode(generator.model.janus.model.vqmodel, pixels)
    np.testing.assert_array_equal(made, wanted.numpy())
    assert made.shape == (3, TINY.history_picture_tokens)
    assert generator.encode_history([]).shape == (0, TINY.history_picture_tokens)
    generator.model.save_pretrained(tmp_path)
    alone = PictureEncoder.from_pretrained(tmp_path, "cpu")
    np.testing.assert_array_equal(alone.encode_history(PICTURES), made)
    assert alone.history_codebook_name == generator.history_codebook_name
    assert generator.history_codebook_name != generator.codebook_name


def test_a_base_that_pools_reads_the_codes_of_the_full_picture() -> None:
    pooling = tiny_generator()
    full = pooling.encode_pictures(PICTURES)
    np.testing.assert_array_equal(pooling.encode_history(PICTURES), full)
    assert pooling.history_codebook_name == pooling.codebook_name


def test_every_code_is_a_token_of_the_history(generator: AdGenerator) -> None:
    asked = after(generator, PICTURES[0])
    [[seen]] = kept_tokens(generator.model, [asked])
    [ad] = asked.history
    changed = ad.codes.copy()
    changed[-1] = (changed[-1] + 500) % 1024
    other = replace(asked, history=(replace(ad, codes=changed),))
    [[seen_otherwise]] = kept_tokens(generator.model, [other])
    same = seen.picture_scores == seen_otherwise.picture_scores
    assert seen.picture_scores.shape == (TINY.history_grid, TINY.history_grid)
    assert not same[-1, -1]
    [drawn] = generator.generate([asked], seeds=[3])
    assert drawn.codes.shape == (TINY.image_tokens,)


def test_codes_of_full_pictures_are_refused_in_a_line(generator: AdGenerator) -> None:
    full = brief(products()[0], 2)
    with pytest.raises(ValueError, match=r"has 16 codes, this base reads 4 \(codes\)"):
        generator.generate([full], seeds=[1])
    small = after(generator, PICTURES[0])
    with pytest.raises(ValueError, match=r"has 4 codes, this base reads 16 \(pooled\)"):
        tiny_generator().generate([small], seeds=[1])


def test_an_adapter_whose_trends_are_of_full_pictures_is_not_loaded(
    generator: AdGenerator, tmp_path: Path
) -> None:
    pooling = tiny_generator()
    pooling.new_adapter("trendy", rank=2, alpha=4)
    pooling.know_trends("trendy", Trends(1, {"kitchen": brief(products()[0], 1).history}))
    pooling.save_adapter("trendy", tmp_path)
    with pytest.raises(UnfitAdapter, match="other sizes"):
        generator.load_adapter("trendy", tmp_path)
    assert generator.adapters == ()


def test_small_codes_are_decoded_to_a_small_picture(generator: AdGenerator) -> None:
    vq = generator.model.janus.model.vqmodel
    small = codebook.encode(vq, codebook.to_pixels(PICTURES, 16))
    assert codebook.decode(vq, small).shape == (3, 3, 16, 16)
    clicked = [HistoryAd("", code) for code in small.numpy().astype(np.int16)]
    assert Reranker(generator).best(PICTURES, clicked) in range(3)
