"""FID's features: the network that is published, from its file and from no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from adloom.models.quality.background import BadEncoder
from adloom.models.quality.inception import WIDTH, load_inception
from tests.models.public_inception import public_inception

Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def published() -> Weights:
    return public_inception()


def test_features_are_those_of_the_published_network(published: Weights, tmp_path: Path) -> None:
    torch.save(published, tmp_path / "fid.pth")
    network = load_inception(tmp_path / "fid.pth")
    noise = np.random.default_rng(0).integers(0, 256, (1, 299, 299, 3), dtype=np.uint8)
    [features] = network.embed([Image.fromarray(noise[0])])
    # By the network of torch-fidelity 0.4 with the same weights, levels scaled as pytorch-fid does.
    assert features.shape == (WIDTH,)
    assert features[:4].tolist() == pytest.approx([3.13698, 0, 0.04142, 2.29811], abs=1e-3)
    assert features.mean() == pytest.approx(2.83825, abs=1e-3)
    assert network.embed([]).shape == (0, WIDTH)


def test_a_file_of_safetensors_gives_the_same(published: Weights, tmp_path: Path) -> None:
    save_file(published, str(tmp_path / "fid.safetensors"))
    found = load_inception(tmp_path / "fid.safetensors").state_dict()
    assert all(torch.equal(found[name], w) for name, w in published.items() if name in found)


class RunsOnLoading:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("torchvision's own", "which has 1,008 classes"),
        ("another network", "which has 1,008 classes"),
        ("a part is missing", "no Inception-v3 that is whole"),
        ("an object", "holds objects that loading would run"),
        ("cut off", "damaged"),
    ],
)
def test_another_file_is_refused_in_a_line_and_nothing_of_it_runs(
    damage: str, told: str, published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "fid.pth"
    given: dict[str, Any] = {
        "torchvision's own": published | {"fc.weight": torch.zeros(1000, WIDTH)},
        "another network": {"cls_token": torch.zeros(1)},
        "a part is missing": {n: w for n, w in published.items() if "Mixed_7c" not in n},
        "an object": published | {"args": RunsOnLoading()},
        "cut off": {"fc.weight": torch.zeros(1008, 4)},
    }
    torch.save(given[damage], file)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(BadEncoder, match=told) as refused:
        load_inception(file)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(BadEncoder, match="are a file"):
        load_inception(tmp_path / "fid.onnx")
    with pytest.raises(FileNotFoundError, match="no weights of Inception-v3"):
        load_inception(tmp_path / "none.pth")
