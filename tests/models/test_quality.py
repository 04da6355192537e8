"""Background likeness, text overlap and distances of distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adloom.models.quality.background import (
    EMBEDDING,
    BackgroundEncoder,
    background_similarity,
    contrastive_loss,
)
from adloom.models.quality.distance import kernel_distance
from adloom.models.quality.moco import load_moco_v3
from adloom.models.quality.text import bleu, rouge_l


def unit(n: int, *, seed: int, centre: float = 0.0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(n, EMBEDDING))
    points[:, 0] += centre
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_any_picture_gets_an_embedding_of_length_one() -> None:
    torch.manual_seed(0)
    encoder = BackgroundEncoder().eval()
    pictures = [Image.new("RGB", (96, 96), "teal"), Image.new("RGBA", (512, 512), "red")]
    embedded = encoder.embed(pictures)
    assert embedded.shape == (2, EMBEDDING)
    assert np.allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    assert np.allclose(background_similarity(embedded, embedded), 1, atol=1e-5)
    assert encoder.embed([]).shape == (0, EMBEDDING)


def test_a_saved_encoder_sees_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = BackgroundEncoder().eval()
    encoder.save_pretrained(tmp_path / "deep" / "pbs.safetensors")
    again = BackgroundEncoder.from_pretrained(tmp_path / "deep" / "pbs.safetensors")
    picture = [Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 20)]
    assert background_similarity(encoder.embed(picture), again.embed(picture))[0] > 0.999
    with pytest.raises(FileNotFoundError, match="adloom pretrain-pbs"):
        BackgroundEncoder.from_pretrained(tmp_path / "none")


def test_the_contrastive_loss_wants_partners_closest() -> None:
    apart = torch.eye(8)
    assert contrastive_loss(apart, apart) < contrastive_loss(apart, apart.roll(1, dims=0))
    same = torch.nn.functional.normalize(torch.ones(8, 8), dim=-1)
    assert contrastive_loss(same, same).item() == pytest.approx(np.log(8), rel=1e-5)


def test_a_distance_is_small_within_a_distribution_and_grows_apart() -> None:
    here = kernel_distance(unit(200, seed=1), unit(150, seed=2))
    near = kernel_distance(unit(200, seed=1), unit(150, seed=2, centre=2))
    far = kernel_distance(unit(200, seed=1), unit(150, seed=2, centre=8))
    assert abs(here) < 0.05
    assert here < near < far
    with pytest.raises(ValueError, match="two pictures"):
        kernel_distance(unit(1, seed=1), unit(9, seed=2))


def test_text_scores_run_from_nothing_to_one() -> None:
    title = "Exquisite desk lamp with warm light"
    assert bleu(title, title) == pytest.approx(1)
    assert rouge_l(title, title) == pytest.approx(1)
    assert rouge_l("Pay less!", title) == 0
    assert 0 <= bleu("Pay less!", title) < 0.2
    closer, further = "Exquisite desk lamp, graced by oak", "Hot deal! oak for the desk"
    assert bleu(closer, title) > bleu(further, title)
    assert rouge_l("desk lamp", title) == pytest.approx(2 * 2 / (2 + 6))
    assert bleu("", title) == rouge_l("", title) == 0


def moco_checkpoint(path: Path) -> torch.nn.Module:
    """A small random vision transformer saved under MoCo v3's names; returns its reference."""
    torch.manual_seed(0)
    width, heads = 24, 2
    layer = torch.nn.TransformerEncoderLayer(
        width, heads, 48, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    layer.norm1.eps = layer.norm2.eps = 1e-6
    head = torch.nn.Sequential(
        torch.nn.Linear(width, 40, bias=False),
        torch.nn.BatchNorm1d(40),
        torch.nn.ReLU(),
        torch.nn.Linear(40, EMBEDDING, bias=False),
        torch.nn.BatchNorm1d(EMBEDDING, affine=False),
    )
    weights = {
        "cls_token": torch.randn(1, 1, width),
        "pos_embed": torch.randn(1, 1 + 16, width),
        "patch_embed.proj.weight": torch.randn(width, 3, 8, 8) / 14,
        "patch_embed.proj.bias": torch.randn(width),
        "blocks.0.attn.qkv.weight": layer.self_attn.in_proj_weight,
        "blocks.0.attn.qkv.bias": layer.self_attn.in_proj_bias,
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }
    names = {"attn.proj": layer.self_attn.out_proj, "norm1": layer.norm1, "norm2": layer.norm2}
    names |= {"mlp.fc1": layer.linear1, "mlp.fc2": layer.linear2}
    for name, module in names.items():
        weights |= {f"blocks.0.{name}.{key}": w for key, w in module.state_dict().items()}
    weights |= {f"head.{key}": w for key, w in head.state_dict().items()}
    saved = {f"module.momentum_encoder.{name}": w.detach() for name, w in weights.items()}
    torch.save(
        {"epoch": 1, "state_dict": saved | {"module.predictor.0.weight": head[0].weight}}, path
    )

    class Reference(torch.nn.Module):
        def forward(self, normed: torch.Tensor) -> torch.Tensor:
            patches = torch.nn.functional.conv2d(
                normed,
                weights["patch_embed.proj.weight"],
                weights["patch_embed.proj.bias"],
                stride=8,
            )
            tokens = torch.cat(
                [weights["cls_token"].expand(len(normed), -1, -1), patches.flatten(2).mT], dim=1
            )
            states = layer.eval()(tokens + weights["pos_embed"])
            last = torch.nn.functional.layer_norm(states, (width,), eps=1e-6)[:, 0]
            return torch.nn.functional.normalize(head.eval()(last), dim=-1)

    return Reference()


@torch.no_grad()
def test_a_moco_checkpoint_embeds_as_its_own_transformer_does(tmp_path: Path) -> None:
    reference = moco_checkpoint(tmp_path / "moco.pth.tar")
    encoder = load_moco_v3(tmp_path / "moco.pth.tar", heads=2)
    assert encoder.picture_size == 32
    pixels = torch.rand(3, 3, 32, 32) * 2 - 1
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    assert torch.allclose(encoder(pixels), reference((pixels / 2 + 0.5 - mean) / std), atol=1e-5)
    assert encoder.embed([Image.new("RGB", (50, 50), "teal")] * 33).shape == (33, EMBEDDING)


def test_what_is_no_moco_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_moco_v3(tmp_path / "none.pth.tar")
    torch.save({"state_dict": {"module.base_encoder.conv1.weight": torch.zeros(1)}}, tmp_path / "r")
    with pytest.raises(ValueError, match="no vision transformer"):
        load_moco_v3(tmp_path / "r")


SAME_IN_PART = {
    "de": ("Salzmühle aus Edelstahl, fein", "Pfeffermühle aus Edelstahl, fein", "Lederbörse"),
    "ja": ("毎日使える軽い包丁", "毎日使える重い包丁", "革財布"),
    "zh-CN": ("轻便的三德刀、每天都用", "轻便的菜刀、每天都用", "真皮钱包"),
    "th": ("โคมไฟตั้งโต๊ะ แสงอุ่น", "โคมไฟตั้งพื้น แสงอุ่น", "ชา"),
    "ko": ("따뜻한 빛 책상 램프", "따뜻한 빛 침대 램프", "가죽 지갑"),
    "ar": ("مصباح مكتب بضوء دافئ", "مصباح سرير بضوء دافئ", "محفظة جلد"),
    "hi": ("गरम रोशनी वाला डेस्क लैंप", "गरम रोशनी वाला टेबल लैंप", "चमड़े का बटुआ"),
}


@pytest.mark.parametrize("language", SAME_IN_PART)
def test_titles_are_compared_in_their_language(language: str) -> None:
    title, closer, other = SAME_IN_PART[language]
    assert bleu(title, title, language) == rouge_l(title, title) == pytest.approx(1)
    assert bleu(title, title, language) > bleu(closer, title, language) > 0.3
    assert 1 > rouge_l(closer, title) > 0.5
    assert bleu(other, title, language) < 0.2
    assert rouge_l(other, title) < 0.2


def test_no_two_words_are_alike_for_having_the_same_marks() -> None:
    assert rouge_l("über", "uber") == rouge_l("हिन्दी", "हिन्दू") == 0
    assert rouge_l("Straße", "STRASSE") == pytest.approx(1)
