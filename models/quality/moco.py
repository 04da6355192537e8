"""The vision transformer of MoCo v3, as the paper's own PBS has it.

Source: MoCo v3 (arXiv 2104.02057), whose released training code saves a vision transformer
under timm's names with the projection head in its place; Uni-AdGen (section 4.1) trains such a
one to 64 dimensions. :mod:`adloom.models.quality.moco_checkpoint` reads the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from adloom.models.codebook import to_pixels

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_EPSILON = 1e-6
_RESIZED = 256 / 224
"""The shorter side before the crop, in sides of the crop: as MoCo v3 evaluates."""
_AT_ONCE = 32


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
    """A vision transformer with its projection; sizes are those of the weights.

    ``head`` are the layers that the contrastive loss was taken after, ``compress_layer`` what a
    PBS encoder was trained with on top: on the class token where it has that width (the head is
    then not used), else on the head's output.
    """

    def __init__(self, weights: Mapping[str, Tensor], heads: int) -> None:
        """Layers for ``weights``, untrained.

        Raises:
            KeyError: a weight is missing that says how large the model is.
            ValueError: the width of the tokens does not go by ``heads``.
        """
        super().__init__()
        width = weights["cls_token"].shape[-1]
        if width % heads:
            raise ValueError(f"{heads} attention heads do not part tokens of width {width}")
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
        self.compress_layer = _projection(weights, "compress_layer")
        self.head = _projection(weights, "head")
        self._of_class_token = _takes(weights, "compress_layer") == width

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, size, size)`` in -1..1 to ``(n, embedding)`` of unit length."""
        mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (_MEAN, _STD))
        patches = self.patch_embed["proj"]((pixels / 2 + 0.5 - mean) / std)
        tokens = patches.flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1) + self.pos_embed
        seen = self.norm(self.blocks(tokens))[:, 0]
        projected = seen if self._of_class_token else self.head(seen)
        return F.normalize(self.compress_layer(projected), dim=-1)

    @torch.inference_mode()
    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embeddings of pictures of any size: float32 ``(n, embedding)``.

        Each is resized and its middle cut out, as MoCo v3 evaluates.
        """
        device = self.cls_token.device
        looked_at = [_middle(picture, self.picture_size) for picture in pictures]
        parts = [
            self(to_pixels(looked_at[start : start + _AT_ONCE], self.picture_size).to(device))
            for start in range(0, len(looked_at), _AT_ONCE)
        ]
        embedded: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return embedded


def _middle(picture: Image.Image, size: int) -> Image.Image:
    """The square of ``size`` pixels in the middle of a picture that is a little larger."""
    scale = round(size * _RESIZED) / min(picture.size)
    wide, high = (max(size, round(side * scale)) for side in picture.size)
    large = picture.convert("RGB").resize((wide, high), Image.Resampling.BICUBIC)
    left, top = (wide - size) // 2, (high - size) // 2
    return large.crop((left, top, left + size, top + size))


def _projection(weights: Mapping[str, Tensor], name: str) -> nn.Module:
    """The layers of that name: one linear layer, several by number, or none.

    Of numbered ones those with a running mean are batch norms, skipped numbers are ReLUs.
    """
    if f"{name}.weight" in weights:
        return _layer(weights, name)
    numbers = [int(key.split(".")[1]) for key in weights if key.startswith(f"{name}.")]
    if not numbers:
        return nn.Identity()
    return nn.Sequential(*(_layer(weights, f"{name}.{n}") for n in range(1 + max(numbers))))


def _layer(weights: Mapping[str, Tensor], name: str) -> nn.Module:
    weight, mean = weights.get(f"{name}.weight"), weights.get(f"{name}.running_mean")
    if mean is not None:
        return nn.BatchNorm1d(len(mean), affine=weight is not None)
    if weight is not None:
        return nn.Linear(weight.shape[1], weight.shape[0], bias=f"{name}.bias" in weights)
    return nn.ReLU()


def _takes(weights: Mapping[str, Tensor], name: str) -> int | None:
    """The width that the first layer of that name takes; None without one."""
    for key in (f"{name}.weight", f"{name}.0.weight"):
        if key in weights:
            return weights[key].shape[1]
    return None
