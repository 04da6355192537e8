"""The fine stage as the engine computes it: packed products, and no work for padding."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adloom.models.conditioning import Conditioning
from adloom.models.engine.matmul import Product


def fast_conditioning(modules: Conditioning, dtype: torch.dtype) -> Conditioning:
    """A copy that reads one history at a time; later training of ``modules`` does not count.

    What is kept of a history is chosen in float32, as training and the studio choose it; what was
    kept is fused in ``dtype``, in which it will be read.
    """
    fast = copy.deepcopy(modules)
    preference: Any = fast.preference
    for selector in (preference.picture_selector, preference.title_selector):
        selector.encoder = FastEncoder(selector.encoder, torch.float32)
    preference.fusion = FastEncoder(preference.fusion, dtype)
    return fast


class FastEncoder(nn.Module):
    """What ``nn.TransformerEncoder`` computes for one row, its products in another dtype."""

    def __init__(self, encoder: nn.TransformerEncoder, dtype: torch.dtype) -> None:
        """Copy ``encoder``, one of :func:`adloom.models.preference.transformer`."""
        super().__init__()
        self._dtype = dtype
        self._layers = [_Layer(layer, dtype) for layer in encoder.layers]

    def forward(self, tokens: Tensor, src_key_padding_mask: Tensor) -> Tensor:
        """Float32 ``(1, tokens, width)``, 0 on padding, where the mask ``(1, tokens)`` is true."""
        [used] = ~src_key_padding_mask
        hidden = tokens[0, used].to(self._dtype)
        for layer in self._layers:
            hidden = layer(hidden)
        found = torch.zeros(tokens.shape, device=tokens.device)
        found[0, used] = hidden.float()
        return found


class _Layer:
    """A pre-norm layer of which the norms' weights are folded into the products after them."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        attention = layer.self_attn
        self._heads: int = attention.num_heads
        self._eps = float(layer.norm1.eps), float(layer.norm2.eps)
        self._qkv = _after(layer.norm1, attention.in_proj_weight, attention.in_proj_bias, dtype)
        self._out = _product(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self._up = _after(layer.norm2, layer.linear1.weight, layer.linear1.bias, dtype)
        self._down = _product(layer.linear2.weight, layer.linear2.bias, dtype)

    def __call__(self, hidden: Tensor) -> Tensor:
        """States ``(tokens, width)`` after the layer, of those before it, in its dtype."""
        tokens, width = hidden.shape
        qkv = self._qkv(self._normed(hidden, 0))
        queries, keys, values = qkv.view(1, tokens, 3, self._heads, -1).transpose(1, 3).unbind(2)
        seen = F.scaled_dot_product_attention(queries, keys, values)
        hidden = self._out.plus(seen.transpose(1, 2).reshape(tokens, width), hidden)
        return self._down.plus(F.gelu(self._up(self._normed(hidden, 1))), hidden)

    def _normed(self, hidden: Tensor, which: int) -> Tensor:
        return F.layer_norm(hidden, hidden.shape[-1:], eps=self._eps[which])


def _after(norm: nn.LayerNorm, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    return _product(weight * norm.weight, bias + weight @ norm.bias, dtype)


def _product(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    return Product(weight.detach().to(dtype), bias.detach().to(dtype))
