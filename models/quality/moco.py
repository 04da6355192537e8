"""A background encoder from a MoCo v3 checkpoint, as the paper's own PBS has it.

Source: MoCo v3 (arXiv 2104.02057), whose released training code saves a vision transformer
under timm's names with the projection head in its place; Uni-AdGen (section 4.1) trains such a
one to 64 dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from adloom.models.codebook import to_pixels

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PREFIXES = ("module.momentum_encoder.", "momentum_encoder.", "module.base_encoder.")
"""The encoder whose features the released code evaluates first."""
_EPSILON = 1e-6


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, length, width = tokens.shape
        parts = self.qkv(tokens).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(seen.transpose(1, 2).reshape(rows, length, width))
        return projected


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(tokens)))
        added: Tensor = tokens + self.mlp["fc2"](hidden)
        return added


class MocoEncoder(nn.Module):
    """A vision transformer with a projection head; sizes are those of the weights."""

    def __init__(self, weights: Mapping[str, Tensor], heads: int) -> None:
        super().__init__()
        width = weights["cls_token"].shape[-1]
        depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
        patch = weights["patch_embed.proj.weight"].shape[-1]
        tokens = weights["pos_embed"].shape[1]
        self.picture_size: int = patch * round((tokens - 1) ** 0.5)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, stride=patch)})
        hidden = weights["blocks.0.mlp.fc1.weight"].shape[0]
        self.blocks = nn.Sequential(*(_Block(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.head = _head(weights)

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, size, size)`` in -1..1 to ``(n, embedding)`` of unit length."""
        mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (_MEAN, _STD))
        patches = self.patch_embed["proj"]((pixels / 2 + 0.5 - mean) / std)
        tokens = patches.flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1) + self.pos_embed
        return F.normalize(self.head(self.norm(self.blocks(tokens))[:, 0]), dim=-1)

    @torch.inference_mode()
    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embeddings of square pictures of any size: float32 ``(n, embedding)``."""
        parts = [
            self(to_pixels(pictures[start : start + 32], self.picture_size))
            for start in range(0, len(pictures), 32)
        ]
        embedded: NDArray[np.float32] = torch.cat(parts).numpy()
        return embedded


def load_moco_v3(path: Path, *, heads: int = 12) -> MocoEncoder:
    """Load a checkpoint of MoCo v3's released code (``.pth.tar``); nothing in it is executed.

    Args:
        path: the file.
        heads: attention heads, which weights do not tell; 12 in ViT-S and ViT-B of MoCo v3.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no vision transformer of MoCo v3.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no background encoder there")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    everything: Mapping[str, Tensor] = saved.get("state_dict", saved)
    for prefix in _PREFIXES:
        weights = {
            name.removeprefix(prefix): weight.float() if weight.is_floating_point() else weight
            for name, weight in everything.items()
            if name.startswith(prefix)
        }
        if "cls_token" in weights and "pos_embed" in weights:
            encoder = MocoEncoder(weights, heads)
            encoder.load_state_dict(weights)
            return encoder.eval()
    raise ValueError(f"{path}: no vision transformer of MoCo v3 in it")


def _head(weights: Mapping[str, Tensor]) -> nn.Sequential:
    """Linear and batch norm layers as the weights have them, ReLUs where numbers are skipped."""
    parts = {name.split(".", 2)[1] for name in weights if name.startswith("head.")}
    layers: list[nn.Module] = []
    for number in range(1 + max(int(part) for part in parts)):
        weight = weights.get(f"head.{number}.weight")
        mean = weights.get(f"head.{number}.running_mean")
        if mean is not None:
            layers.append(nn.BatchNorm1d(len(mean), affine=weight is not None))
        elif weight is not None:
            bias = f"head.{number}.bias" in weights
            layers.append(nn.Linear(weight.shape[1], weight.shape[0], bias=bias))
        else:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
