"""One forward pass: of a prompt, or of the next tokens of every running row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.engine.cache import RowCache
from models.engine.lora import LoraRows
from models.engine.weights import Weights
from models.generator import AdModel

_Attention = Callable[[int, Tensor, Tensor], Tensor]


class Decoder:
    """The language model's layers over the engine's weights and caches."""

    def __init__(self, model: AdModel, weights: Weights, positions: int) -> None:
        """``positions`` is the length of the longest row."""
        self.weights = weights
        self._foreground_every = model.config.foreground_every
        llama, like = model.janus.model.language_model, weights.embeddings
        every = torch.arange(positions, device=like.device)
        with torch.no_grad():
            cos, sin = llama.rotary_emb(like[:1, None], position_ids=every[None])
        self._eps = like.new_full((), weights.eps)
        half = weights.shape.depth // 2
        self._turns = torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float())

    def prefill(self, embeds: Tensor, lora: LoraRows | None) -> Tensor:
        """Keys and values ``(layers, 2, heads, tokens, depth)`` of ``embeds`` ``(tokens, width)``.

        Raises:
            FloatingPointError: they are not finite.
        """
        shape, tokens = self.weights.shape, len(embeds)
        kept: list[Tensor] = []

        def attend(layer: int, queries: Tensor, keys_values: Tensor) -> Tensor:
            keys, values = keys_values.view(tokens, 2, -1, shape.depth).permute(1, 2, 0, 3)
            kept.append(torch.stack([keys, values]))
            seen = F.scaled_dot_product_attention(
                queries.view(1, tokens, -1, shape.depth).transpose(1, 2),
                keys[None],
                values[None],
                is_causal=True,
                scale=1.0,
                enable_gqa=shape.heads != shape.kv_heads,
            )
            return seen[0].transpose(0, 1).reshape(tokens, -1)

        self._layers(embeds, self._turns[:tokens], attend, lora)
        found = torch.stack(kept)
        if not found.isfinite().all():
            raise FloatingPointError("the prompt's keys and values are not finite")
        return found

    def step(
        self,
        tokens: Tensor,
        caches: Sequence[tuple[RowCache, int, int]],
        foreground: Tensor | None,
        lora: LoraRows | None,
    ) -> Tensor:
        """Feed the next tokens of every row; returns normed states ``(tokens, width)``.

        Args:
            tokens: int64 ``(tokens,)``: text ids, then image codes above them.
            caches: each with the number of its rows and of the tokens that each of these gets;
                ``tokens`` are theirs in this order, a row's side by side.
            foreground: ``(n, width)`` of the last ``2 * n`` tokens: conditional, unconditional.
            lora: the tokens' adapters.
        """
        positions = [cache.open_step(rows, each) for cache, rows, each in caches]
        turns = self._turns.index_select(0, torch.cat(positions))
        counts = [rows * each for _, rows, each in caches]

        def attend(layer: int, queries: Tensor, keys_values: Tensor) -> Tensor:
            seen = [
                cache.attend(layer, q, kv)
                for (cache, _, _), q, kv in zip(
                    caches, queries.split(counts), keys_values.split(counts), strict=True
                )
            ]
            return torch.cat(seen)

        hidden = self.weights.embeddings.index_select(0, tokens)
        states = self._layers(hidden, turns, attend, lora, foreground)
        return self._normed(states)

    def _layers(
        self,
        hidden: Tensor,
        turns: Tensor,
        attend: _Attention,
        lora: LoraRows | None,
        foreground: Tensor | None = None,
    ) -> Tensor:
        weights, shape = self.weights, self.weights.shape
        turned = shape.queries + shape.keys
        turns = turns.unsqueeze(1)
        for number, layer in enumerate(weights.layers):
            if foreground is not None and number % self._foreground_every == 0:
                hidden[len(hidden) - 2 * len(foreground) :].view(2, *foreground.shape).add_(
                    foreground
                )
            x = self._normed(hidden)
            qkv = layer.qkv(x)
            if lora is not None:
                qkv = lora.qkv(number, x, qkv)
            qkv = qkv.float()
            pairs = qkv[:, :turned].view(len(qkv), -1, shape.depth // 2, 2)
            torch.view_as_complex(pairs).mul_(turns)
            qkv = qkv.to(weights.dtype)
            seen = attend(number, qkv[:, : shape.queries], qkv[:, shape.queries :])
            hidden = layer.out.plus(seen, hidden)
            if lora is not None:
                hidden = lora.out(number, seen, hidden)
            x = self._normed(hidden)
            gate, up = layer.gate_up(x).chunk(2, dim=1)
            hidden = layer.down.plus(weights.activation(gate).mul_(up), hidden)
        return hidden

    def _normed(self, hidden: Tensor) -> Tensor:
        """RMSNorm without weights, in the dtype of the products: in fewer calls than torch has."""
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        scale = torch.addcmul(self._eps, norm, norm, value=1 / hidden.shape[-1]).rsqrt_()
        return (hidden * scale).to(self.weights.dtype)
