"""Background likeness, text overlap and distances of distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import sqrtm

from adloom.models.quality.background import (
    EMBEDDING,
    BackgroundEncoder,
    background_similarity,
    contrastive_loss,
)
from adloom.models.quality.distance import frechet_distance, kernel_distance
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


def test_the_frechet_distance_is_that_of_two_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    mixed, moved = rng.normal(size=(5, 5)), np.arange(5.0)
    first = rng.normal(size=(400, 5)) @ mixed
    second = rng.normal(size=(300, 5)) + moved
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = sqrtm(one @ other).real
    apart = ((first.mean(0) - second.mean(0)) ** 2).sum()
    wanted = apart + np.trace(one + other - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(wanted)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, first + 3.0) == pytest.approx(5 * 9)
    few = frechet_distance(first[:3], second[:3])  # covariances without an inverse
    assert few >= 0
    wide = rng.normal(size=(6, 4000))  # neither the means' distance nor the spreads' is 0
    assert frechet_distance(wide[:3], wide[3:]) == pytest.approx(
        frechet_distance(wide[3:], wide[:3])
    )
    with pytest.raises(ValueError, match="two pictures"):
        frechet_distance(first[:1], second)


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
