"""The encoder of pictures alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.generator import AdModel
from adloom.models.picture_encoder import PictureEncoder
from tests.models.test_pictures import noise_picture
from tests.tiny_model import tiny_model


@pytest.mark.parametrize("shard_size", ["5GB", "200KB"])
def test_codes_are_those_of_the_whole_generator(tmp_path: Path, shard_size: str) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    if shard_size != "5GB":
        (tmp_path / "model.safetensors").unlink()
        model.janus.save_pretrained(tmp_path, max_shard_size=shard_size)
        assert (tmp_path / "model.safetensors.index.json").exists()
    generator = AdGenerator.from_pretrained(tmp_path, "cpu")
    encoder = PictureEncoder.from_pretrained(tmp_path, "cpu")
    pictures = [noise_picture(size) for size in (20, 64, 90)]
    np.testing.assert_array_equal(encoder.encode(pictures), generator.encode_pictures(pictures))
    assert encoder.encode([]).shape == generator.encode_pictures([]).shape
    assert encoder.codebook_name == generator.codebook_name


def test_a_folder_without_a_generator_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        PictureEncoder.from_pretrained(tmp_path)


def test_codes_are_the_same_whatever_the_base_computes_in(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    half = AdGenerator(AdModel.from_pretrained(tmp_path, dtype=torch.bfloat16))
    encoder = PictureEncoder.from_pretrained(tmp_path, "cpu")
    pictures = [noise_picture(size) for size in (20, 64, 90)]
    np.testing.assert_array_equal(half.encode_pictures(pictures), encoder.encode(pictures))
    assert half.codebook_name == encoder.codebook_name
