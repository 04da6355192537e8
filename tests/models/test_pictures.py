"""Pictures in and out: codebook, foreground, composition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.models import codebook
from adloom.models.compose import (
    ContactShadow,
    cast_shadow,
    compose_ad,
    cutout_layer,
    on_white,
    place_cutout,
)
from adloom.models.foreground import ForegroundEncoder
from adloom.models.placement import Placement
from adloom.models.training.codebook import CodebookTrainer, batches
from tests.tiny_model import TINY, tiny_generator, tiny_model

CUTOUT = next(iter(load_catalog().values())).cutout()


def noise_picture(size: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


@given(st.integers(1, 40), st.integers(0, 99))
def test_pixels_and_pictures_are_each_others_inverse(size: int, seed: int) -> None:
    picture = noise_picture(size, seed)
    pixels = codebook.to_pixels([picture], size)
    assert pixels.shape == (1, 3, size, size)
    assert pixels.dtype == torch.float32
    assert -1 <= pixels.min() <= pixels.max() <= 1
    assert codebook.to_pictures(pixels)[0].tobytes() == picture.tobytes()


def test_codes_have_their_shape_and_never_change() -> None:
    vq = tiny_model().janus.model.vqmodel
    pixels = codebook.to_pixels([noise_picture(50, s) for s in range(3)], TINY.picture_size)
    codes = codebook.encode(vq, pixels)
    assert codes.shape == (3, TINY.image_tokens)
    assert codes.dtype == torch.int64
    assert torch.equal(codes, torch.cat([codebook.encode(vq, one) for one in pixels.split(1)]))
    decoded = codebook.decode(vq, codes)
    assert decoded.shape == pixels.shape
    assert torch.allclose(decoded, codebook.decode(vq, codes, batch=2), atol=1e-5)


def test_a_generator_encodes_pictures_of_any_size() -> None:
    generator = tiny_generator()
    codes = generator.encode_pictures([noise_picture(20), noise_picture(90)])
    assert codes.shape == (2, TINY.image_tokens)
    assert codes.dtype == np.int16
    assert generator.encode_pictures([]).shape == (0, TINY.image_tokens)


def test_the_codebook_learns() -> None:
    vq = tiny_model().janus.model.vqmodel
    torch.manual_seed(0)
    ramp = np.linspace(0, 255, TINY.picture_size, dtype=np.uint8)
    tone = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(90)))
    pictures = torch.from_numpy(np.stack([tone, tone[::-1]] * 4).copy())
    trainer = CodebookTrainer(vq, learning_rate=2e-3, steps=16, warm_up=12)
    losses = [
        trainer.train_step(pixels)
        for pixels, _ in zip(
            batches(pictures, 8, torch.Generator().manual_seed(0)), range(16), strict=False
        )
    ]
    assert trainer.step == 16
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    norms = vq.quantize.embedding.weight.norm(dim=-1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-4)


def give_weight(encoder: ForegroundEncoder) -> None:
    last = encoder.project[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight)
    torch.nn.init.normal_(last.bias)


def test_foreground_features_lie_where_the_product_is() -> None:
    torch.manual_seed(0)
    encoder = ForegroundEncoder(16, grid=6, dropout=0.0).eval()
    give_weight(encoder)
    blank = torch.ones(1, 3, 96, 96)
    marked = blank.clone()
    marked[:, :, 64:80, 16:32] = -1  # row 4, column 1 of the grid
    change = (encoder(marked) - encoder(blank)).norm(dim=-1).view(6, 6)
    assert change[4, 1] > 0
    change[3:6, :3] = 0  # the convolutions look one cell around
    assert change.max() < 1e-5


def test_foreground_starts_silent_and_drops_whole_pictures() -> None:
    encoder = ForegroundEncoder(16, grid=4, dropout=0.5).train()
    cutouts = torch.rand(32, 3, 32, 32)
    assert encoder(cutouts).abs().max() == 0
    give_weight(encoder)
    torch.manual_seed(0)
    kept = encoder(cutouts).abs().amax(dim=(0, 2, 3)) > 0
    assert 4 < kept.sum() < 28
    assert (encoder.eval()(cutouts).abs().amax(dim=(0, 2, 3)) > 0).all()


@given(st.integers(1, 900), st.integers(1, 900), st.integers(8, 1024))
def test_a_cutout_stands_inside_the_picture(width: int, height: int, size: int) -> None:
    left, top, wide, high = place_cutout(Image.new("RGBA", (width, height)), size)
    assert wide >= 1
    assert high >= 1
    assert left >= 0
    assert top >= 0
    assert left + wide <= size
    assert top + high <= size


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([64, 128, 512]), st.integers(16, 160))
def test_an_ad_has_the_size_that_was_asked_for(size: int, background: int) -> None:
    ad = compose_ad(noise_picture(background), CUTOUT, size=size)
    assert ad.size == (size, size)
    assert ad.mode == "RGB"


def test_the_product_is_sharp_and_at_its_place() -> None:
    size = 256
    ad = np.asarray(compose_ad(Image.new("RGB", (96, 96), (10, 200, 30)), CUTOUT, size=size))
    layer = np.asarray(cutout_layer(CUTOUT, size))
    solid = layer[..., 3] == 255
    assert solid.sum() > 1000
    assert np.array_equal(ad[solid], layer[solid][:, :3])
    left, top, width, height = place_cutout(CUTOUT, size)
    outside = np.ones((size, size), dtype=bool)
    outside[top : top + height, left : left + width] = False
    assert layer[outside][:, 3].max() == 0
    assert np.array_equal(ad[0, 0], (10, 200, 30))


def test_the_same_product_is_pasted_anew_on_each_background() -> None:
    grey, green = (Image.new("RGB", (96, 96), colour) for colour in ("grey", "green"))
    first = np.asarray(compose_ad(grey, CUTOUT, size=128))
    other = np.asarray(compose_ad(green, CUTOUT, size=128))
    assert np.array_equal(other[0, 0], (0, 128, 0))
    assert np.array_equal(first, np.asarray(compose_ad(grey, CUTOUT, size=128)))
    held = np.asarray(compose_ad(grey, CUTOUT, size=128, shadow=False))
    assert (held >= first).all()
    assert not np.array_equal(held, first)  # the shadow


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.3, 1.3), st.floats(0.0, 1.6), st.floats(0.05, 1.2), st.floats(0.05, 1.2))
def test_wherever_it_lies_an_ad_is_its_layers(
    centre: float, bottom: float, width: float, height: float
) -> None:
    place, ground = Placement(centre, bottom, width, height), noise_picture(96)
    layer = cutout_layer(CUTOUT, 96, place)
    shaded = ground.copy()
    ContactShadow.under(layer).darken(shaded)
    whole = Image.alpha_composite(shaded.convert("RGBA"), layer).convert("RGB")
    wanted = np.asarray(whole).astype(int)
    ad = np.asarray(compose_ad(ground, CUTOUT, place, size=96)).astype(int)
    assert np.abs(ad - wanted).max() <= 1  # rounding


def test_the_encoder_sees_the_product_on_white() -> None:
    picture = np.asarray(on_white(CUTOUT, 64))
    layer = np.asarray(cutout_layer(CUTOUT, 64))
    assert (picture[layer[..., 3] == 0] == 255).all()


@pytest.mark.parametrize("depth", [0.03, 0.1])
def test_a_shadow_only_darkens_and_only_at_the_foot(depth: float) -> None:
    before = np.asarray(Image.new("RGB", (128, 128), (200, 180, 160))).astype(int)
    after = np.asarray(cast_shadow(Image.fromarray(before.astype(np.uint8)), CUTOUT, depth=depth))
    assert (after <= before).all()
    assert (after < before).any()
    assert np.array_equal(after[:64], before[:64])


def darkened(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """By how much the ground is darker under a product of these boxes, 0 to 255."""
    layer = Image.new("RGBA", (200, 200))
    for box in boxes:
        layer.paste((200, 30, 40, 255), box)
    ground = Image.new("RGB", (200, 200), (200, 180, 160))
    ContactShadow.under(layer).darken(ground)
    return 200 - np.asarray(ground, dtype=int)[..., 0]


def test_what_hangs_in_the_air_has_no_contact_shadow() -> None:
    foot, arm = (60, 40, 80, 160), (80, 40, 150, 60)
    darker = darkened(foot, arm)
    assert darker[160, 60:80].min() > 20
    assert (darker[:, 100:] == 0).all()


def test_a_foot_that_stands_further_back_has_its_shadow_there() -> None:
    near, far = (40, 60, 60, 160), (120, 60, 140, 154)
    darker = darkened(near, far)
    assert darker[:, 50].argmax() > darker[:, 130].argmax()
    assert darker[154, 130] > 10


def test_where_there_is_no_product_there_is_no_contact_shadow() -> None:
    assert (darkened() == 0).all()


@pytest.mark.parametrize("box", [(0, 190, 200, 200), (0, 0, 200, 200), (199, 0, 200, 200)])
def test_a_contact_shadow_may_lie_at_the_edge(box: tuple[int, int, int, int]) -> None:
    assert darkened(box).min() >= 0
