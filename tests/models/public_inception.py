"""Weights of the Inception-v3 of FID in the layout that is published, at random."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from adloom.models.quality.inception import WIDTH, Inception

LAYOUT = "d84f693f2abd7fea61cb31c87d3b2f268bf707c1bae1db219afdad3363959cb0"
"""Of names and shapes in pt_inception-2015-12-05, as torch-fidelity 0.4 reads it."""


def public_inception() -> dict[str, Tensor]:
    """The same weights each time; features of them are neither 0 nor beyond numbers."""
    chance = torch.Generator().manual_seed(0)
    weights = {
        name: _at_random(name, shape, chance)
        for name, shape in sorted((n, w.shape) for n, w in Inception().state_dict().items())
        if not name.endswith("num_batches_tracked")
    }
    weights |= {"fc.weight": torch.zeros(1008, WIDTH), "fc.bias": torch.zeros(1008)}
    lines = sorted(f"{name} {tuple(weight.shape)}" for name, weight in weights.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == LAYOUT
    return weights


def _at_random(name: str, shape: torch.Size, chance: torch.Generator) -> Tensor:
    if name.endswith(("running_var", "bn.weight")):
        return torch.rand(shape, generator=chance) + 0.5
    if len(shape) == 4:
        return torch.randn(shape, generator=chance) * (2 / math.prod(shape[1:])) ** 0.5
    return torch.randn(shape, generator=chance) * 0.1
