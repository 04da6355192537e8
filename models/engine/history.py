"""The fine stage as the engine computes it: no work for padding, and packed products on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adloom.models.conditioning import Conditioning
from adloom.models.engine.matmul import Product, computes_from


def fast_conditioning(modules: Conditioning, dtype: torch.dtype) -> Conditioning:
    """Modules that read one history at a time, with the weights of ``modules`` where these can be
    computed from as they lie, and copies of the others.

    What is kept of a history is chosen in the dtype of ``modules``, as the studio chooses it; what
    was kept is fused in ``dtype``, in which it will be read.
    """
    fast = copy.deepcopy(modules, {id(weight): weight for weight in modules.parameters()})
    preference: Any = fast.preference
    own = preference.modality.weight.dtype
    for selector in (preference.picture_selector, preference.title_selector):
        selector.encoder = FastEncoder(selector.encoder, own)
    preference.fusion = FastEncoder(preference.fusion, dtype)
    return fast


class FastEncoder(nn.Module):
    """What ``nn.TransformerEncoder`` computes for one row, its products in another dtype."""

    def __init__(self, encoder: nn.TransformerEncoder, dtype: torch.dtype) -> None:
        """Of ``encoder``, one of :func:`adloom.models.preference.transformer`."""
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
    """A pre-norm layer."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        attention = layer.self_attn
        self._heads: int = attention.num_heads
        self._qkv = _Normed(layer.norm1, attention.in_proj_weight, attention.in_proj_bias, dtype)
        self._out = _product(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self._up = _Normed(layer.norm2, layer.linear1.weight, layer.linear1.bias, dtype)
        self._down = _product(layer.linear2.weight, layer.linear2.bias, dtype)

    def __call__(self, hidden: Tensor) -> Tensor:
        """States ``(tokens, width)`` after the layer, of those before it, in its dtype."""
        tokens, width = hidden.shape
        qkv = self._qkv(hidden)
        queries, keys, values = qkv.view(1, tokens, 3, self._heads, -1).transpose(1, 3).unbind(2)
        seen = F.scaled_dot_product_attention(queries, keys, values)
        hidden = self._out.plus(seen.transpose(1, 2).reshape(tokens, width), hidden)
        return self._down.plus(F.gelu(self._up(hidden)), hidden)


class _Normed:
    """A product of normed states. Where it has a copy of its weights, the norm's are in it."""

    def __init__(
        self, norm: nn.LayerNorm, weight: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> None:
        self._eps = norm.eps
        self._factors: tuple[Tensor, Tensor] | None = None
        if computes_from(weight.dtype, dtype, weight.device):
            self._factors = norm.weight.detach(), norm.bias.detach()
        else:
            weight, bias = weight * norm.weight, bias + weight @ norm.bias
        self._product = _product(weight, bias, dtype)

    def __call__(self, hidden: Tensor) -> Tensor:
        factor, offset = self._factors or (None, None)
        return self._product(F.layer_norm(hidden, hidden.shape[-1:], factor, offset, self._eps))


def _product(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    weight, bias = weight.detach(), bias.detach()
    as_it_lies = computes_from(weight.dtype, dtype, weight.device)
    return Product(weight.to(dtype), bias.to(dtype), as_it_lies=as_it_lies)
