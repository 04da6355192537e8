"""Foreground perception: the generator knows where and what the product is.

Source: Uni-AdGen, section 3.2: features of the cutout on white, one per image token, are
added to the hidden states at the image positions of every n-th layer. The paper takes
DINOv2-small features; the bundled model trains this small encoder with the generator.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        first, last = nn.Linear(channels, width), nn.Linear(width, width)
        self.project = nn.Sequential(first, nn.GELU(), last)
        # Starts as no change to a pretrained language model.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, cutouts: Tensor) -> Tensor:
        """``(batch, 3, size, size)`` in -1..1 to ``(batch, grid * grid, width)``.

        In training whole pictures are dropped at the configured rate.
        """
        features: Tensor = self.project(self.stem(cutouts).flatten(2).transpose(1, 2))
        if self.training and self.dropout > 0:
            kept = torch.rand(len(features), 1, 1, device=features.device) >= self.dropout
            features = features * kept
        return features
