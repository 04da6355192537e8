"""Pictures in 8 bits: the same to the eye, whatever is beside them, and only where it pays."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from adloom.models.ad_generator import AdGenerator
from adloom.models.engine import int8, picture_decoder
from adloom.models.engine.int8 import Int8Convolution, in_int8
from adloom.models.engine.picture_decoder import PictureDecoder
from adloom.models.generator import DEMO_MODEL, AdModel
from tests.tiny_model import tiny_model

needs_vnni = pytest.mark.skipif(
    not (torch.cpu._is_vnni_supported() and torch.backends.mkldnn.is_available()),
    reason="this processor multiplies no 8 bits",
)


@pytest.fixture
def pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that was found faster so, however busy this one is."""
    monkeypatch.setattr(picture_decoder, "int8_pays", lambda: True)


@pytest.fixture(scope="module")
def demo() -> AdModel:
    return AdModel.from_pretrained(DEMO_MODEL)


@needs_vnni
@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([(3, 1), (2, 1), (3, 0)]),
    st.integers(3, 20),
    st.floats(-5, 5),
    st.floats(0.01, 100),
    st.booleans(),
)
def test_a_convolution_comes_out_alike_whatever_goes_in(
    kernel: tuple[int, int], side: int, middle: float, spread: float, bias: bool
) -> None:
    torch.manual_seed(side)
    conv = nn.Conv2d(32, 8, kernel[0], padding=kernel[1], bias=bias)
    hidden = middle + spread * torch.randn(1, 32, side, side)
    with torch.inference_mode():
        exact, rounded = conv(hidden), Int8Convolution(conv)(hidden)
    assert rounded.shape == exact.shape
    # Inputs are rounded to 1/255 of what lies between their least, or 0, and their largest.
    reach = hidden.max().clamp_min(0) - hidden.min().clamp_max(0)
    worst = (
        conv.weight.detach().abs().sum((1, 2, 3)).max() * reach / 255
    ) + 0.02 * exact.abs().max()
    assert (rounded - exact).abs().max() <= worst


@needs_vnni
def test_nothing_but_zeros_is_no_fault() -> None:
    conv = nn.Conv2d(32, 4, 3, padding=1)
    with torch.inference_mode():
        found = Int8Convolution(conv)(torch.zeros(1, 32, 5, 5))
        torch.testing.assert_close(found, conv(torch.zeros(1, 32, 5, 5)))


@needs_vnni
def test_pictures_look_the_same_and_hang_on_themselves_alone(pays: None, demo: AdModel) -> None:
    exact = PictureDecoder(demo, torch.float32)
    rounded = PictureDecoder(demo, torch.float32, int8=True)
    assert (exact.int8, rounded.int8) == (False, True)
    drawn = torch.Generator().manual_seed(1)
    codes = [torch.randint(0, 1024, (144,), generator=drawn) for _ in range(4)]
    first = [rounded(one) for one in codes]
    for one, found in zip(codes, first, strict=True):
        assert (exact(one) - found).square().mean() < 1e-4
    for one, found in zip(reversed(codes), reversed(first), strict=True):
        assert torch.equal(rounded(one), found)


@needs_vnni
def test_where_it_would_show_all_stays_as_it_was(
    pays: None, demo: AdModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(module: nn.Module) -> None:
        in_int8(module)
        for part in module.modules():
            if isinstance(part, Int8Convolution):
                part._scales = 2 * part._scales

    monkeypatch.setattr(picture_decoder, "in_int8", broken)
    with caplog.at_level(logging.WARNING, "adloom.drawing"):
        decoder = PictureDecoder(demo, torch.float32, int8=True)
    assert not decoder.int8
    assert "would be off" in caplog.text
    codes = torch.arange(144)
    assert torch.equal(decoder(codes), PictureDecoder(demo, torch.float32)(codes))


def test_it_is_left_where_it_does_not_pay(demo: AdModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_decoder, "int8_pays", lambda: False)
    assert not PictureDecoder(demo, torch.float32, int8=True).int8
    monkeypatch.setattr(picture_decoder, "int8_pays", lambda: True)
    assert not PictureDecoder(demo, torch.bfloat16, int8=True).int8
    assert not PictureDecoder(tiny_model(), torch.float32, int8=True).int8
    assert not AdGenerator(demo, int8=False).engine.int8
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    int8.int8_pays.cache_clear()
    assert not int8.int8_pays()
    int8.int8_pays.cache_clear()
