"""Checkpoints as MoCo v3's code writes them, small and untrained, and what they should see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, PATCH, SIDE, HIDDEN = 24, 12, 8, 4, 40
EMBEDDING = 64


@dataclass(frozen=True)
class SmallMoco:
    """A vision transformer by torch's own layers, and its weights under timm's names."""

    layer: nn.TransformerEncoderLayer
    head: nn.Sequential
    weights: dict[str, Tensor]

    @classmethod
    def made(cls, seed: int = 0) -> SmallMoco:
        """One at random; another seed makes another."""
        torch.manual_seed(seed)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 48, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        layer.norm1.eps = layer.norm2.eps = 1e-6
        head = nn.Sequential(
            nn.Linear(WIDTH, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 32, bias=False),
            nn.BatchNorm1d(32, affine=False),
        )
        weights = {
            "cls_token": torch.randn(1, 1, WIDTH),
            "pos_embed": torch.randn(1, 1 + SIDE * SIDE, WIDTH),
            "patch_embed.proj.weight": torch.randn(WIDTH, 3, PATCH, PATCH) / 14,
            "patch_embed.proj.bias": torch.randn(WIDTH),
            "blocks.0.attn.qkv.weight": layer.self_attn.in_proj_weight,
            "blocks.0.attn.qkv.bias": layer.self_attn.in_proj_bias,
            "norm.weight": torch.ones(WIDTH),
            "norm.bias": torch.zeros(WIDTH),
        }
        names = {"attn.proj": layer.self_attn.out_proj, "norm1": layer.norm1}
        names |= {"norm2": layer.norm2, "mlp.fc1": layer.linear1, "mlp.fc2": layer.linear2}
        for name, module in names.items():
            weights |= {f"blocks.0.{name}.{key}": w for key, w in module.state_dict().items()}
        weights |= {f"head.{key}": w for key, w in head.state_dict().items()}
        return cls(layer.eval(), head.eval(), {n: w.detach() for n, w in weights.items()})

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The weights, each name after ``prefix``."""
        return {prefix + name: weight for name, weight in self.weights.items()}

    @torch.no_grad()
    def class_token(self, normed: Tensor) -> Tensor:
        """Of pictures ``(n, 3, 32, 32)`` less ImageNet's mean and over its deviation."""
        own = self.weights
        patches = F.conv2d(
            normed, own["patch_embed.proj.weight"], own["patch_embed.proj.bias"], stride=PATCH
        )
        first = own["cls_token"].expand(len(normed), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).mT], dim=1)
        states = self.layer(tokens + own["pos_embed"])
        return F.layer_norm(states, (WIDTH,), eps=1e-6)[:, 0]
