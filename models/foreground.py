"""Foreground perception: the generator knows where and what the product is.

Source: Uni-AdGen, section 3.2: features of the cutout on white, one per image token, are
added to the hidden states at the image positions of every n-th layer, through an MLP for each
such place. The paper takes DINOv2-small features; the bundled model trains a small encoder with
the generator, and one MLP for all places.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2Model

from adloom.models.batch_share import noise_like

_DINOV2_MEAN, _DINOV2_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _projections(features: int, width: int, mlps: int) -> nn.Sequential | nn.ModuleList:
    """An MLP, or several, that start as no change to a pretrained language model."""
    found = []
    for _ in range(mlps):
        first, last = nn.Linear(features, width), nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        found.append(nn.Sequential(first, nn.GELU(), last))
    return found[0] if mlps == 1 else nn.ModuleList(found)


def added_before(layer: int, every: int, features: Tensor) -> Tensor | None:
    """What is added before ``layer``: that place's own of ``features`` ``(mlps, ...)``.

    None between the places, which are before every ``every``-th layer, the first included.
    """
    place, between = divmod(layer, every)
    return None if between else features[place if len(features) > 1 else 0]


class _Perception(nn.Module):
    """Ends in an MLP for all places of use, or in one for each."""

    dropout: float
    project: nn.Sequential | nn.ModuleList

    @property
    def mlps(self) -> int:
        """How many there are."""
        return len(self.project) if isinstance(self.project, nn.ModuleList) else 1

    def placed(self, features: Tensor) -> Tensor:
        """``(batch, tokens, features)`` to ``(mlps, batch, tokens, width)``.

        In training whole pictures are dropped at the configured rate, each at all places at once.
        """
        mlps = self.project if isinstance(self.project, nn.ModuleList) else [self.project]
        features = features.to(next(self.project.parameters()).dtype)
        placed = torch.stack([mlp(features) for mlp in mlps])
        if self.training and self.dropout > 0:
            chance = noise_like(features[:, :1, :1].detach().float(), Tensor.uniform_)
            placed = placed * (chance >= self.dropout)
        return placed


class ForegroundEncoder(_Perception):
    """Cutout on white to feature vectors of each image token."""

    def __init__(self, width: int, grid: int, dropout: float, mlps: int = 1) -> None:
        super().__init__()
        self.dropout = dropout
        channels = 64
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 2, 4, stride=4),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.AdaptiveAvgPool2d(grid),
        )
        self.project = _projections(channels, width, mlps)

    def forward(self, cutouts: Tensor) -> Tensor:
        """``(batch, 3, size, size)`` in -1..1 to ``(mlps, batch, grid * grid, width)``."""
        seen = self.stem(cutouts.to(next(self.stem.parameters()).dtype))
        return self.placed(seen.flatten(2).transpose(1, 2))


class ForegroundProjection(_Perception):
    """DINOv2 features of the cutout to feature vectors of each image token."""

    def __init__(self, features: int, width: int, dropout: float, mlps: int = 1) -> None:
        super().__init__()
        self.dropout = dropout
        self.project = _projections(features, width, mlps)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, tokens, features)`` to ``(mlps, batch, tokens, width)``."""
        return self.placed(features)


class Dinov2Features(nn.Module):
    """DINOv2 (arXiv 2304.07193) that gives one feature vector per image token.

    It learns with the rest: who trains the adapters alone freezes it with the base.
    """

    def __init__(self, backbone: Dinov2Model, grid: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.grid = grid
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_DINOV2_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_DINOV2_STD).view(3, 1, 1), persistent=False)

    def forward(self, cutouts: Tensor) -> Tensor:
        """``(batch, 3, size, size)`` in -1..1 to ``(batch, grid * grid, features)``."""
        patch: Any = self.backbone.config.patch_size
        side = self.grid * patch  # a patch is then an image token
        pixels = F.interpolate(cutouts, size=(side, side), mode="bicubic", antialias=True)
        normed = (pixels.clamp(-1, 1) / 2 + 0.5 - self.mean) / self.std
        states: Tensor = self.backbone(normed).last_hidden_state[:, 1:]
        return states
