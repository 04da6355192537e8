"""Keys and values of a decoding batch in memory allocated once."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaConfig


class KeyValueCache:
    """Static cache for the attention layers of a Llama: ``update`` is what they call.

    Call :meth:`reserve` once before each forward pass with the number of new tokens.
    """

    def __init__(self, config: LlamaConfig, rows: int, length: int, like: Tensor) -> None:
        heads = config.num_key_value_heads or config.num_attention_heads
        depth = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        shape = (config.num_hidden_layers, rows, heads, length, depth)
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros_like(self.keys)
        self.start = self.end = 0

    def reserve(self, tokens: int) -> None:
        """Make room for the next ``tokens`` tokens."""
        self.start, self.end = self.end, self.end + tokens

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Store ``(rows, heads, tokens, depth)`` of ``layer``; return all up to now."""
        self.keys[layer, :, :, self.start : self.end] = keys
        self.values[layer, :, :, self.start : self.end] = values
        return self.keys[layer, :, :, : self.end], self.values[layer, :, :, : self.end]
