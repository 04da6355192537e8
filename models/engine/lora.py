"""Adapters of many rows in one batch, unmerged.

After Punica (arXiv 2310.18547) and S-LoRA (arXiv 2311.03285): one base product for all rows and,
beside it, the low-rank products of the adapters. Those gather each row's own A and B; here the As
and Bs of all live adapters lie side by side in one product each, and what is not a row's own is
blanked between the two. The number of calls is then the same for any number of adapters, which on
small models costs more than the arithmetic does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from models.engine.matmul import Product
from models.engine.weights import Weights
from models.generator import Conditioning

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
    """``down``: As one below the other; ``up``: Bs, block by block."""

    qkv_down: Product
    qkv_up: Product
    out_down: Product
    out_up: Product


class LoraRows:
    """The adapters of the rows of one step."""

    def __init__(self, layers: list[_LayerLora], own: Tensor) -> None:
        """``own`` bool ``(rows, adapters * rank)`` is true where a row's adapter lies."""
        self._layers = layers
        self._foreign = ~own
        self._foreign_qkv = self._foreign.repeat(1, 3)

    def qkv(self, layer: int, x: Tensor, base: Tensor) -> Tensor:
        """``base`` with each row's own change to q, k and v of ``x``."""
        lora = self._layers[layer]
        return lora.qkv_up.plus(lora.qkv_down(x).masked_fill_(self._foreign_qkv, 0.0), base)

    def out(self, layer: int, x: Tensor, base: Tensor) -> Tensor:
        """``base`` with each row's own change to the output projection of ``x``."""
        lora = self._layers[layer]
        return lora.out_up.plus(lora.out_down(x).masked_fill_(self._foreign, 0.0), base)


class LoraBank:
    """The live adapters side by side.

    An adapter keeps its place until it is let go of and the place is wanted.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._places: list[Adapter | None] = []
        self._layers: list[_LayerLora] = []
        self._rank = 0

    def place(self, adapter: Adapter, in_use: set[int]) -> int:
        """Place of an adapter; a new one takes a place that is not ``in_use``.

        Raises:
            ValueError: a weight of the adapter is not finite.
        """
        for place, known in enumerate(self._places):
            if known is adapter:
                return place
        adapter.check()
        free = [place for place in range(len(self._places)) if place not in in_use]
        place = free[0] if free else len(self._places)
        self._places[place : place + 1] = [adapter]
        # Places at the end that nobody needs would only cost time.
        while len(self._places) - 1 > max({place, *in_use}):
            self._places.pop()
        self._lay_out()
        return place

    def rows(self, places: Tensor) -> LoraRows | None:
        """Adapters for a step whose rows have these places, int64 ``(rows,)``, -1 for none."""
        if not self._places:
            return None
        counter = torch.arange(len(self._places), device=places.device)
        own = places[:, None] == counter
        return LoraRows(self._layers, own.repeat_interleave(self._rank, dim=1))

    def _lay_out(self) -> None:
        self._rank = max(1, *(adapter.rank for adapter in self._places if adapter is not None))
        self._layers = [self._layer(number) for number in range(self._weights.shape.layers)]

    def _layer(self, number: int) -> _LayerLora:
        shape, norm = self._weights.shape, self._weights.layers[number].attention_norm
        widths = {"q_proj": shape.queries, "k_proj": shape.keys, "v_proj": shape.keys}
        downs, ups = [], []
        for name, width in widths.items():
            a, b = self._stacked(number, name, shape.width, width)
            if name != "v_proj":
                b = shape.paired(b)
            downs.append(a * norm)
            ups.append(b * shape.depth**-0.5 if name == "q_proj" else b)
        a, b = self._stacked(number, "o_proj", shape.queries, shape.width)
        products = (torch.cat(downs), torch.block_diag(*ups), a, b)
        return _LayerLora(*(Product(p.to(self._weights.dtype)) for p in products))

    def _stacked(self, layer: int, name: str, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
        """All As ``(adapters * rank, inputs)`` and Bs ``(outputs, adapters * rank)``."""
        device = self._weights.embeddings.device
        down = torch.zeros(len(self._places), self._rank, inputs, device=device)
        up = torch.zeros(outputs, len(self._places), self._rank, device=device)
        for place, adapter in enumerate(self._places):
            if adapter is not None and (layer, name) in adapter.lora:
                a, b = adapter.lora[layer, name]
                down[place, : len(a)] = a
                up[:, place, : len(a)] = b
        return down.flatten(0, 1), up.flatten(1)
