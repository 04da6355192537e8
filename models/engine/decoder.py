"""One forward pass: of a prompt, or of the next tokens of every running row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adloom.models.engine.cache import RowCache
from adloom.models.engine.lora import LoraRows
from adloom.models.engine.weights import Weights
from adloom.models.foreground import added_before
from adloom.models.generator import AdModel


@dataclass(frozen=True)
class Fed:
    """What one stage of a batch feeds in a step.

    ``tokens`` int64: text ids, then image codes above them. ``caches`` each with the number of its
    rows and of the tokens that each of these gets; ``tokens`` are theirs in this order, a row's
    side by side. ``foreground`` ``(mlps, n, width)`` of the last ``copies * n`` tokens, where rows
    have a twin first their own and then those of their twins.
    """

    tokens: Tensor
    caches: Sequence[tuple[RowCache, int, int]]
    foreground: Tensor | None = None
    copies: int = 1


class Decoder:
    """The language model's layers over the engine's weights and caches."""

    def __init__(self, model: AdModel, weights: Weights, positions: int) -> None:
        """``positions`` is the length of the longest row."""
        self.weights = weights
        self._foreground_every = model.config.foreground_every
        llama, like = model.janus.model.language_model, weights.text
        every = torch.arange(positions, device=like.device)
        with torch.no_grad():
            cos, sin = llama.rotary_emb(like[:1, None].float(), position_ids=every[None])
        self._least = like.new_full((), weights.least_length)
        shape = weights.shape
        half = shape.depth // 2
        self._turns = torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float())
        # By head of q and k: what is in the weights of q where they are copies.
        self._scales = self._turns.new_ones(shape.heads + shape.kv_heads, 1)
        if weights.shared:
            self._scales[: shape.heads] = shape.depth**-0.5

    def prefill(self, embeds: Tensor, lora: LoraRows | None) -> Tensor:
        """Keys and values ``(layers, 2, heads, tokens, depth)`` of ``embeds`` ``(tokens, width)``.

        Raises:
            FloatingPointError: they are not finite.
        """
        shape, tokens = self.weights.shape, len(embeds)
        kept: list[Tensor] = []

        hidden, turns = embeds.to(self.weights.dtype), self._turned_by(self._turns[:tokens])
        for number in range(shape.layers):
            queries, keys_values = self._projected(number, hidden, turns, lora)
            keys, values = keys_values.view(tokens, 2, -1, shape.depth).permute(1, 2, 0, 3)
            kept.append(torch.stack([keys, values]))
            if number + 1 == shape.layers:
                break  # the last layer's states predict what is known
            seen = F.scaled_dot_product_attention(
                queries.view(1, tokens, -1, shape.depth).transpose(1, 2),
                keys[None],
                values[None],
                is_causal=True,
                scale=1.0,
                enable_gqa=shape.heads != shape.kv_heads,
            )
            seen = seen[0].transpose(0, 1).reshape(tokens, -1)
            hidden = self._after_attention(number, hidden, seen, lora)
        found = torch.stack(kept)
        if not found.isfinite().all():
            raise FloatingPointError("the prompt's keys and values are not finite")
        return found

    def step(self, parts: Sequence[Fed], lora: LoraRows | None, *, tokens: int = 0) -> list[Tensor]:
        """Feed the next tokens of every row; returns states for the heads, of each part.

        What is filled up comes after the last part's: heads are products of one shape too.

        Args:
            parts: what is fed; foregrounds come with the last one alone.
            lora: the tokens' adapters.
            tokens: what is fed is filled up to so many, for products of one shape.
        """
        shape, caches = self.weights.shape, [at for part in parts for at in part.caches]
        positions = [cache.open_step(rows, each) for cache, rows, each in caches]
        counts = [rows * each for _, rows, each in caches]
        used = sum(counts)
        filling = max(0, tokens - used)
        at = _filled(positions, filling)
        turns = self._turned_by(self._turns.index_select(0, at))
        fed = _filled([part.tokens for part in parts], filling)
        hidden, foreground, copies = self.weights.embed(fed), parts[-1].foreground, parts[-1].copies
        rest = hidden.new_zeros(filling, shape.heads, shape.depth)
        for number in range(shape.layers):
            every = self._foreground_every
            seen = None if foreground is None else added_before(number, every, foreground)
            if seen is not None:
                hidden[used - copies * len(seen) : used].view(copies, *seen.shape).add_(seen)
            queries, keys_values = self._projected(number, hidden, turns, lora)
            attended = [
                cache.attend(number, q, kv)
                for (cache, _, _), q, kv in zip(
                    caches,
                    queries[:used].split(counts),
                    keys_values[:used].split(counts),
                    strict=True,
                )
            ]
            over = torch.cat([*attended, rest]).flatten(1)
            hidden = self._after_attention(number, hidden, over, lora)
        states = self._normed(hidden, self.weights.last_norm)
        sizes = [sum(rows * each for _, rows, each in part.caches) for part in parts]
        sizes[-1] += filling
        return [*states.split(sizes)]

    def _turned_by(self, turns: Tensor) -> Tensor:
        """What heads of q and k are multiplied by, ``(tokens, heads or 1, depth / 2)``."""
        turns = turns.unsqueeze(1)
        return turns * self._scales if self.weights.shared else turns

    def _projected(
        self, number: int, hidden: Tensor, turns: Tensor, lora: LoraRows | None
    ) -> tuple[Tensor, Tensor]:
        """A layer's queries ``(tokens, heads * depth)``, scaled; its keys and values."""
        shape, layer = self.weights.shape, self.weights.layers[number]
        x = self._normed(hidden, layer.attention_norm)
        qkv = layer.qkv(x) if lora is None else lora.qkv(number, x)
        qkv = qkv.float()
        turned = qkv[:, : shape.queries + shape.keys]
        if self.weights.shared:
            halves = turned.view(len(qkv), -1, 2, shape.depth // 2)
            pairs = torch.complex(halves[:, :, 0], halves[:, :, 1]).mul_(turns)
            turned.copy_(torch.view_as_real(pairs).flatten(1))
        else:
            pairs = turned.view(len(qkv), -1, shape.depth // 2, 2)
            torch.view_as_complex(pairs).mul_(turns)
        queries, keys_values = qkv.to(self.weights.dtype).tensor_split((shape.queries,), dim=1)
        return queries, keys_values

    def _after_attention(
        self, number: int, hidden: Tensor, seen: Tensor, lora: LoraRows | None
    ) -> Tensor:
        """A layer's states after what it has ``seen`` and its feed-forward network."""
        weights, layer = self.weights, self.weights.layers[number]
        if lora is None:
            hidden = layer.out.plus(seen, hidden)
        else:
            hidden = lora.out_plus(number, seen, hidden)
        gate, up = layer.gate_up(self._normed(hidden, layer.feed_norm)).chunk(2, dim=1)
        return layer.down.plus(weights.activation(gate).mul_(up), hidden)

    def _normed(self, hidden: Tensor, factors: Tensor) -> Tensor:
        """RMSNorm in the dtype of the products; but for its factors where weights have them."""
        if self.weights.shared:
            return F.rms_norm(hidden, factors.shape, factors, self.weights.eps)
        length = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        return hidden / torch.hypot(length, self._least)


def _filled(parts: Sequence[Tensor], filling: int) -> Tensor:
    """The parts one after another, and so many zeros."""
    found = torch.cat([*parts])
    return F.pad(found, (0, filling)) if filling else found
