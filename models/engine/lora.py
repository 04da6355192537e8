"""Adapters of many rows in one batch, unmerged.

After Punica (arXiv 2310.18547) and S-LoRA (arXiv 2311.03285): one base product for all rows and,
beside it, the low-rank products of the adapters. Those gather each row's own A and B; here the As
of all adapters that run are one product, what is not a row's own is blanked in what comes out, and
the Bs are one product to which the base's is added. The number of calls is then the same for any
number of adapters. Calls cost more than arithmetic on small models that are copied: there the Bs
lie beside the base's weights, and one call reads both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from adloom.models.conditioning import Conditioning
from adloom.models.engine.matmul import Product
from adloom.models.engine.weights import LayerWeights, Weights

_KEPT = 8
"""Sets of adapters whose products are kept."""
_SMALL = 1 << 26
"""Bytes of the attention of a base that may be copied once for each of these sets."""
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
Lora = Mapping[tuple[int, str], tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class Adapter:
    """An adapter as it was when this was made: later training does not change it.

    ``lora`` maps ``(layer, projection)`` to A ``(rank, inputs)`` and B ``(outputs, rank)``, B
    scaled; ``conditioning`` are its modules.
    """

    lora: Lora
    conditioning: Conditioning

    @property
    def rank(self) -> int:
        """Of its low-rank products."""
        return max((a.shape[0] for a, _ in self.lora.values()), default=0)

    def check(self) -> None:
        """Look for numbers that would spoil the rows of other adapters.

        Raises:
            ValueError: a weight is not finite.
        """
        if not all(a.isfinite().all() and b.isfinite().all() for a, b in self.lora.values()):
            raise ValueError("the adapter has weights that are not finite")


def lora_of(peft: PeftModel, name: str, parameters: Mapping[str, Tensor]) -> Lora:
    """Copies of a PEFT adapter's weights, by layer and projection.

    ``parameters`` are those of adapter ``name`` by their place, ending in ``lora_A`` or ``lora_B``.

    Raises:
        ValueError: it changes what the engine does not compute by row.
    """
    found: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}
    for key, weight in parameters.items():
        place, _, end = key.rpartition(".")
        if end != "lora_A":
            continue
        number, projection = place.split(".")[-3], place.rpartition(".")[2]
        if projection not in PROJECTIONS:
            raise ValueError(f"adapter {name!r} changes {projection}: only attention is served")
        layer: Any = peft.get_submodule(place)
        scaling: float = layer.scaling[name]
        up = parameters[f"{place}.lora_B"]
        found[int(number), projection] = (
            weight.detach().float().clone(),
            up.detach().float() * scaling,
        )
    return found


@dataclass(frozen=True)
class _LayerLora:
    """``down``: As one below the other; ``qkv``, ``out``: Bs side by side.

    Without a ``base``, the layer that they add to, they lie beside a copy of its weights.
    """

    base: LayerWeights | None
    qkv_down: Product
    qkv: Product
    out_down: Product
    out: Product


class LoraRows:
    """The adapters of the rows of one step."""

    def __init__(self, layers: list[_LayerLora], foreign: Tensor | None) -> None:
        """``foreign`` bool ``(rows, adapters * rank)`` is false where a row's own adapter lies.

        None: there is one adapter, and every row has it.
        """
        self._layers = layers
        self._foreign = foreign
        self._foreign_qkv = None if foreign is None else foreign.repeat(1, 3)

    def qkv(self, layer: int, x: Tensor) -> Tensor:
        """Queries, keys and values of ``x``, each row's own change in them."""
        lora = self._layers[layer]
        low = _blanked(lora.qkv_down(x), self._foreign_qkv)
        if lora.base is None:
            return lora.qkv(torch.cat([x, low], dim=1))
        return lora.base.qkv.plus(x, lora.qkv(low))

    def out_plus(self, layer: int, x: Tensor, other: Tensor) -> Tensor:
        """``other`` and the output projection of ``x``, each row's own change in it."""
        lora = self._layers[layer]
        low = _blanked(lora.out_down(x), self._foreign)
        if lora.base is None:
            return lora.out.plus(torch.cat([x, low], dim=1), other)
        return lora.base.out.plus(x, lora.out.plus(low, other))


def _blanked(low: Tensor, foreign: Tensor | None) -> Tensor:
    return low if foreign is None else low.masked_fill_(foreign, 0.0)


class LoraBank:
    """Lays adapters that run together side by side; those that do not run cost a step nothing."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        attention = (part for layer in weights.layers for part in (layer.qkv, layer.out))
        numbers = sum(math.prod(part.shape) for part in attention)
        self._beside = not weights.shared and numbers * weights.dtype.itemsize <= _SMALL
        # What ran together does so again.
        self._side_by_side = lru_cache(_KEPT)(self._lay_out)

    def rows(self, adapters: Sequence[Adapter]) -> LoraRows | None:
        """For a step whose rows have these adapters; None where none of them has LoRA."""
        running = tuple(sorted({own for own in adapters if own.lora}, key=id))
        if not running:
            return None
        rank, layers = self._side_by_side(running)
        if len({*adapters}) == 1:
            return LoraRows(layers, None)
        device = self._weights.device
        places = {adapter: place for place, adapter in enumerate(running)}
        place = torch.tensor([places.get(own, -1) for own in adapters], device=device)
        foreign = place[:, None] != torch.arange(len(running), device=device)
        return LoraRows(layers, foreign.repeat_interleave(rank, dim=1))

    def _lay_out(self, adapters: tuple[Adapter, ...]) -> tuple[int, list[_LayerLora]]:
        """Their common rank, and the products of each layer."""
        rank = max(adapter.rank for adapter in adapters)
        layers = range(self._weights.shape.layers)
        return rank, [self._layer(number, adapters, rank) for number in layers]

    def _layer(self, number: int, adapters: Sequence[Adapter], rank: int) -> _LayerLora:
        weights, shape, layer = self._weights, self._weights.shape, self._weights.layers[number]
        inputs = (shape.width, shape.width, shape.width, shape.queries)
        outputs = (shape.queries, shape.keys, shape.keys, shape.width)
        (q_down, q), (k_down, k), (v_down, v), (out_down, out) = (
            self._stacked([own.lora.get((number, name)) for own in adapters], rank, *widths)
            for name, *widths in zip(PROJECTIONS, inputs, outputs, strict=True)
        )
        down = torch.cat([q_down, k_down, v_down])
        if not weights.shared:
            down, q, k = down * layer.attention_norm, shape.scaled(q), shape.paired(k)
        downs = [Product(part.to(weights.dtype)) for part in (down, out_down)]
        up = torch.block_diag(q, k, v)
        if self._beside:
            ups, base = [layer.qkv.beside(up), layer.out.beside(out)], None
        else:
            ups, base = [Product(part.to(weights.dtype)) for part in (up, out)], layer
        return _LayerLora(base, downs[0], ups[0], downs[1], ups[1])

    def _stacked(
        self, pairs: Sequence[tuple[Tensor, Tensor] | None], rank: int, inputs: int, outputs: int
    ) -> tuple[Tensor, Tensor]:
        """As one below another ``(adapters * rank, inputs)``; Bs ``(outputs, adapters * rank)``."""
        device = self._weights.device
        down = torch.zeros(len(pairs), rank, inputs, device=device)
        up = torch.zeros(outputs, len(pairs), rank, device=device)
        for place, pair in enumerate(pairs):
            if pair is not None:
                a, b = pair
                down[place, : len(a)] = a
                up[:, place, : len(a)] = b
        return down.flatten(0, 1), up.flatten(1)
