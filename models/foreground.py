"""Foreground perception: the generator knows where and what the product is.

Source: Uni-AdGen, section 3.2: features of the cutout on white, one per image token, are
added to the hidden states at the image positions of every n-th layer. The paper takes
DINOv2-small features; the bundled model trains a small encoder with the generator.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2Model

_DINOV2_MEAN, _DINOV2_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _projection(features: int, width: int) -> nn.Sequential:
    """An MLP that starts as no change to a pretrained language model."""
    first, last = nn.Linear(features, width), nn.Linear(width, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(first, nn.GELU(), last)


def _drop_pictures(features: Tensor, rate: float) -> Tensor:
    """Zero the features of whole pictures at ``rate``: float ``(batch, tokens, width)``."""
    kept = torch.rand(len(features), 1, 1, device=features.device) >= rate
    return features * kept


class ForegroundEncoder(nn.Module):
    """Cutout on white to one feature vector per image token."""

    def __init__(self, width: int, grid: int, dropout: float) -> None:
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
        self.project = _projection(channels, width)

    def forward(self, cutouts: Tensor) -> Tensor:
        """``(batch, 3, size, size)`` in -1..1 to ``(batch, grid * grid, width)``.

        In training whole pictures are dropped at the configured rate.
        """
        features: Tensor = self.project(self.stem(cutouts).flatten(2).transpose(1, 2))
        if self.training and self.dropout > 0:
            features = _drop_pictures(features, self.dropout)
        return features


class ForegroundProjection(nn.Module):
    """DINOv2 features of the cutout to one feature vector per image token."""

    def __init__(self, features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.project = _projection(features, width)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, tokens, features)`` to ``(batch, tokens, width)``; dropout as above."""
        projected: Tensor = self.project(features)
        if self.training and self.dropout > 0:
            projected = _drop_pictures(projected, self.dropout)
        return projected


class Dinov2Features(nn.Module):
    """Frozen DINOv2 (arXiv 2304.07193) that gives one feature vector per image token."""

    def __init__(self, backbone: Dinov2Model, grid: int) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.grid = grid
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_DINOV2_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_DINOV2_STD).view(3, 1, 1), persistent=False)

    @torch.no_grad()
    def forward(self, cutouts: Tensor) -> Tensor:
        """``(batch, 3, size, size)`` in -1..1 to ``(batch, grid * grid, features)``."""
        patch: Any = self.backbone.config.patch_size
        side = self.grid * patch  # a patch is then an image token
        pixels = F.interpolate(cutouts, size=(side, side), mode="bicubic", antialias=True)
        normed = (pixels.clamp(-1, 1) / 2 + 0.5 - self.mean) / self.std
        self.backbone.eval()
        states: Tensor = self.backbone(normed).last_hidden_state[:, 1:]
        return states
