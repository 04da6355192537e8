"""Scores of pictures beside texts, by CLIP models in transformers' format."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from adloom.models.quality.clip import BadScorer, ClipScorer
from tests.tiny_model import tiny_model

PICTURES = [Image.new("RGB", (40, 30), colour) for colour in ("teal", "salmon", "white")]
TEXTS = ["Desk lamp", "Desk lamp with warm light " * 20, "Ankle boots"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP, saved as the public ones are."""
    tokenizer = tiny_model().tokenizer
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "projection_dim": 8}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 12, "eos_token_id": 2}
    config = CLIPConfig(
        text_config={**sizes, **heads, **text},
        vision_config={**sizes, **heads, "image_size": 28, "patch_size": 14},
        projection_dim=8,
    )
    torch.manual_seed(0)
    kept = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(kept)
    small = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    CLIPProcessor(small, tokenizer).save_pretrained(kept)
    return kept


def test_scores_are_cosines_times_the_factor_of_each_kind(folder: Path) -> None:
    picked = ClipScorer.pick_score(folder).scores(PICTURES, TEXTS)
    clip = ClipScorer.clip_score(folder).scores(PICTURES, TEXTS)
    assert picked.shape == clip.shape == (3,)
    factor = CLIPModel.from_pretrained(folder).logit_scale.exp().item()
    assert np.allclose(clip, 100 * (picked / factor).clip(0), atol=1e-4)
    assert np.abs(picked).max() <= factor
    assert len(set(picked.round(4).tolist())) == 3


def test_a_pair_scores_the_same_whatever_is_scored_beside_it(folder: Path) -> None:
    scorer = ClipScorer.pick_score(folder)
    alone = [scorer.scores([p], [t])[0] for p, t in zip(PICTURES, TEXTS, strict=True)]
    assert np.allclose(scorer.scores(PICTURES, TEXTS), alone, atol=1e-4)
    many = scorer.scores(PICTURES * 12, TEXTS * 12)
    assert np.allclose(many, alone * 12, atol=1e-4)


def test_a_folder_that_cannot_score_is_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "cut").mkdir()
    for file in folder.iterdir():
        kept = file.read_bytes()
        cut = len(kept) // 2 if file.suffix == ".safetensors" else len(kept)
        (tmp_path / "cut" / file.name).write_bytes(kept[:cut])
    shutil.copytree(folder, tmp_path / "without")
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "without" / "model.safetensors", metadata={"format": "pt"})
    for name in ("missing", "none", "cut", "without"):
        with pytest.raises(BadScorer, match=name) as refused:
            ClipScorer.clip_score(tmp_path / name)
        assert "\n" not in str(refused.value)
