"""Llama's layers, with what is seen of the product added before every n-th of them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, LlamaModel

from adloom.models.foreground import added_before


def hidden_states(
    llama: LlamaModel,
    embeds: Tensor,
    mask: Tensor,
    positions: Tensor,
    foreground: Tensor | None,
    every: int,
    cache: DynamicCache | None,
) -> Tensor:
    """States ``(n, length, width)``; arguments as for ``AdModel.backbone``."""
    rotary = llama.rotary_emb(embeds, position_ids=positions)
    kept = {} if cache is None else {"past_key_values": cache, "use_cache": True}
    hidden = embeds
    for index, layer in enumerate(llama.layers):
        seen = None if foreground is None else added_before(index, every, foreground)
        if seen is not None:
            hidden = hidden + F.pad(seen, (0, 0, hidden.shape[1] - seen.shape[1], 0))
        hidden = layer(
            hidden,
            attention_mask=mask,
            position_ids=positions,
            position_embeddings=rotary,
            **kept,
        )
    normed: Tensor = llama.norm(hidden)
    return normed
