"""PBS encoders from the files that MoCo v3's code and what builds on it write."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from adloom.models.quality.background import BackgroundEncoder, BadEncoder
from adloom.models.quality.encoders import load_encoder
from adloom.models.quality.moco import MocoEncoder
from tests.models.small_moco import EMBEDDING, WIDTH, SmallMoco

BASE, MOMENTUM = SmallMoco.made(0), SmallMoco.made(1)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
PICTURE = Image.effect_mandelbrot((48, 40), (-2, -1.5, 1, 1.5), 20).convert("RGB")
COMPRESS = torch.randn(EMBEDDING, WIDTH, generator=torch.Generator().manual_seed(5))
COMPRESS_HEAD = torch.randn(EMBEDDING, 32, generator=torch.Generator().manual_seed(6))


def seen(picture: Image.Image, size: int = 32) -> Tensor:
    """A picture as MoCo v3 evaluates: its shorter side 256 of 224, then the middle."""
    shorter = round(size * 256 / 224)
    scale = shorter / min(picture.size)
    sides = (round(picture.width * scale), round(picture.height * scale))
    large = np.asarray(picture.resize(sides, Image.Resampling.BICUBIC), dtype=np.float32) / 255
    top, left = (large.shape[0] - size) // 2, (large.shape[1] - size) // 2
    middle = torch.from_numpy(large[top : top + size, left : left + size]).permute(2, 0, 1)
    return ((middle - MEAN) / STD)[None]


def embedding(head: Callable[[Tensor], Tensor], of: SmallMoco = BASE) -> np.ndarray:
    with torch.no_grad():
        return F.normalize(head(of.class_token(seen(PICTURE))), dim=-1).numpy()


ARGS = argparse.Namespace(arch="vit_base", lr=0.1, dist_url="tcp://localhost:1")
LAYOUTS: dict[str, tuple[Any, Callable[[Tensor], Tensor]]] = {
    "released": (
        {
            "epoch": 1,
            "state_dict": BASE.under("module.base_encoder.")
            | MOMENTUM.under("module.momentum_encoder.")
            | {"module.predictor.0.weight": torch.zeros(2, 2)},
        },
        BASE.head,
    ),
    "model": ({"model": BASE.under(""), "epoch": 3}, BASE.head),
    "model of wrappers": ({"model": BASE.under("module.")}, BASE.head),
    "bare": (BASE.under(""), BASE.head),
    "bare, both encoders": (
        BASE.under("base_encoder.") | MOMENTUM.under("momentum_encoder."),
        BASE.head,
    ),
    "pickled args": ({"model": BASE.under("base_encoder."), "args": ARGS}, BASE.head),
    "compressed class token": (
        {"model": BASE.under("base_encoder.") | {"base_encoder.compress_layer.weight": COMPRESS}},
        lambda token: token @ COMPRESS.T,
    ),
    "compressed head": (
        {
            "state_dict": BASE.under("module.base_encoder.")
            | {"module.compress_layer.weight": COMPRESS_HEAD}
        },
        lambda token: BASE.head(token) @ COMPRESS_HEAD.T,
    ),
    "no head": (
        {n: w for n, w in BASE.weights.items() if not n.startswith("head.")},
        lambda token: token,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_checkpoint_of_each_layout_embeds_as_its_own_transformer_does(
    layout: str, tmp_path: Path
) -> None:
    saved, head = LAYOUTS[layout]
    torch.save(saved, tmp_path / "pbs.pth.tar")
    encoder = load_encoder(tmp_path / "pbs.pth.tar")
    assert np.allclose(encoder.embed([PICTURE] * 33), embedding(head), atol=1e-5)


def test_of_a_file_without_a_base_encoder_the_momentum_encoder_is_taken(tmp_path: Path) -> None:
    torch.save({"state_dict": MOMENTUM.under("module.momentum_encoder.")}, tmp_path / "m.pth")
    found = load_encoder(tmp_path / "m.pth").embed([PICTURE])
    assert np.allclose(found, embedding(MOMENTUM.head, MOMENTUM), atol=1e-5)


def test_safetensors_hold_either_kind_of_encoder(tmp_path: Path) -> None:
    save_file(BASE.under("base_encoder."), tmp_path / "moco.safetensors")
    BackgroundEncoder().save_pretrained(tmp_path / "own.safetensors")
    assert isinstance(load_encoder(tmp_path / "moco.safetensors"), MocoEncoder)
    assert isinstance(load_encoder(tmp_path / "own.safetensors"), BackgroundEncoder)
    assert isinstance(load_encoder(None), BackgroundEncoder)


class Runs:
    """An object that does something when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch it-ran",)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": BASE.under(""), "args": Runs()}, "pbs.pth")
    with pytest.raises(BadEncoder, match=r"save its weights alone: torch\.save"):
        load_encoder(Path("pbs.pth"))
    torch.save({"model": BASE.under(""), "args": argparse.Namespace(out=Runs())}, "pbs.pth")
    with pytest.raises(BadEncoder, match="save its weights alone"):
        load_encoder(Path("pbs.pth"))
    assert not Path("it-ran").exists()


def without(name: str) -> dict[str, Tensor]:
    return {n: w for n, w in BASE.weights.items() if n != name}


DAMAGED: dict[str, tuple[Any, str]] = {
    "another model": (
        {"state_dict": {"module.base_encoder.conv1.weight": torch.zeros(1)}},
        "no vi",
    ),
    "a list": ([1, 2], "no weights by name"),
    "no block": (
        {"cls_token": torch.zeros(1, 1, 24), "pos_embed": torch.zeros(1, 17, 24)},
        "whole",
    ),
    "a layer missing": (without("blocks.0.mlp.fc2.bias"), "fc2.bias"),
    "a layer too many": (BASE.weights | {"blocks.0.ls1.gamma": torch.zeros(24)}, "ls1.gamma"),
    "no patches": (without("patch_embed.proj.weight"), "patch_embed.proj.weight is missing"),
    "other heads": (BASE.weights | {"cls_token": torch.zeros(1, 1, 25)}, "12 attention heads"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_no_whole_moco_checkpoint_is_told_in_a_line(damage: str, tmp_path: Path) -> None:
    saved, told = DAMAGED[damage]
    torch.save(saved, tmp_path / "pbs.pt")
    with pytest.raises(BadEncoder, match=told) as refused:
        load_encoder(tmp_path / "pbs.pt")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["pbs.pth", "pbs.safetensors"])
@pytest.mark.parametrize("kept", [0, 40, -40])
def test_a_file_that_was_cut_off_is_told(name: str, kept: int, tmp_path: Path) -> None:
    path = tmp_path / name
    (torch.save if name.endswith(".pth") else save_file)(BASE.under(""), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadEncoder, match="damaged"):
        load_encoder(path)


@pytest.mark.parametrize("held", [b"abc\n", b"weights", b"{}", b"\x80", b"(.", b"0\n.", b"t."])
def test_a_file_of_something_else_is_told(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "pbs.pth").write_bytes(held)
    with pytest.raises(BadEncoder, match=r"pbs\.pth.*(damaged|weights alone)") as refused:
        load_encoder(tmp_path / "pbs.pth")
    assert "\n" not in str(refused.value)


def test_what_is_not_there_and_what_is_no_encoder_by_its_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="adloom pretrain-pbs"):
        load_encoder(tmp_path / "none.pth.tar")
    with pytest.raises(BadEncoder, match=r"\.pth\.tar"):
        load_encoder(tmp_path / "pbs.onnx")
