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
from adloom.models.engine.steps import Steps
from adloom.models.engine.weights import LayerWeights, Weights

_KEPT = 8
"""Sets of adapters whose products are kept."""
_SMALL = 1 << 26
"""Bytes of the attention of a base that may be copied once for each of these sets."""
SLOTS = 4
"""Adapters of a group in steps of fixed shape; some may be empty."""
_RANKS = 16
"""The least that a tensor core multiplies."""
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


@dataclass(frozen=True, eq=False)
class _Group:
    """Adapters of one layout; ``foreign`` bool ``(rows, slots * rank)`` is false where a row's own
    adapter lies, ``foreign_qkv`` has it three times side by side. None: there is one adapter, and
    every row has it."""

    layers: list[_LayerLora]
    foreign: Tensor | None
    foreign_qkv: Tensor | None

    @classmethod
    def of(cls, layers: list[_LayerLora], foreign: Tensor | None) -> _Group:
        """Adapters as ``foreign`` tells them."""
        return cls(layers, foreign, None if foreign is None else foreign.repeat(1, 3))

    def low_qkv(self, layer: int, x: Tensor) -> Tensor:
        """What the As of q, k and v of each row's own adapter make of ``x``; 0 for the others."""
        return _blanked(self.layers[layer].qkv_down(x), self.foreign_qkv)

    def low_out(self, layer: int, x: Tensor) -> Tensor:
        """The same of the output projection."""
        return _blanked(self.layers[layer].out_down(x), self.foreign)


def _blanked(low: Tensor, foreign: Tensor | None) -> Tensor:
    return low if foreign is None else low.masked_fill_(foreign, 0.0)


def filled_rank(rank: int) -> int:
    """The rank of a group, in steps of fixed shape, that has room for an adapter of ``rank``."""
    return -(-rank // _RANKS) * _RANKS


_Slots = tuple[Adapter | None, ...]


class LoraRows:
    """The adapters of the rows of one step."""

    def __init__(self, groups: list[_Group]) -> None:
        self._groups = groups

    def exchange(self, other: LoraRows) -> None:
        """Take the rows of ``other``, as many and of the same adapters, in the same memory."""
        for group, theirs in zip(self._groups, other._groups, strict=True):
            for own, other_rows in (
                (group.foreign, theirs.foreign),
                (group.foreign_qkv, theirs.foreign_qkv),
            ):
                if own is not None and other_rows is not None:
                    own.copy_(other_rows)

    def qkv(self, layer: int, x: Tensor) -> Tensor:
        """Queries, keys and values of ``x``, each row's own change in them."""
        first, *others = self._groups
        lora = first.layers[layer]
        low = first.low_qkv(layer, x)
        if lora.base is None:
            return lora.qkv(torch.cat([x, low], dim=1))
        change = lora.qkv(low)
        for group in others:
            change = group.layers[layer].qkv.plus(group.low_qkv(layer, x), change)
        return lora.base.qkv.plus(x, change)

    def out_plus(self, layer: int, x: Tensor, other: Tensor) -> Tensor:
        """``other`` and the output projection of ``x``, each row's own change in it."""
        first, *others = self._groups
        lora = first.layers[layer]
        low = first.low_out(layer, x)
        if lora.base is None:
            return lora.out.plus(torch.cat([x, low], dim=1), other)
        changed = lora.out.plus(low, other)
        for group in others:
            changed = group.layers[layer].out.plus(group.low_out(layer, x), changed)
        return lora.base.out.plus(x, changed)


class LoraBank:
    """Lays adapters that run together side by side; those that do not run cost a step nothing."""

    def __init__(self, weights: Weights, steps: Steps) -> None:
        self._weights, self._steps = weights, steps
        attention = (part for layer in weights.layers for part in (layer.qkv, layer.out))
        numbers = sum(math.prod(part.shape) for part in attention)
        small = numbers * weights.dtype.itemsize <= _SMALL
        self._beside = small and not weights.shared and not steps.fixed
        # What ran together does so again.
        self._side_by_side = lru_cache(_KEPT)(self._lay_out)

    def rows(self, adapters: Sequence[Adapter], before: LoraRows | None = None) -> LoraRows | None:
        """For a step whose rows have these adapters; None where none of them has LoRA.

        ``before`` was for the same adapters and as many rows: it is changed to be for these.
        """
        running, alone = self.running(adapters)
        if not running:
            return None
        groups = [
            _Group.of(layers, None if alone else self._foreign(adapters, slots, rank))
            for slots, rank, layers in self._side_by_side(running)
        ]
        if before is None:
            return LoraRows(groups)
        before.exchange(LoraRows(groups))
        return before

    @staticmethod
    def running(adapters: Sequence[Adapter]) -> tuple[tuple[Adapter, ...], bool]:
        """Those with LoRA among them, each once; whether all rows have the same one."""
        every = set(adapters)
        return tuple(sorted((own for own in every if own.lora), key=id)), len(every) == 1

    def _foreign(self, adapters: Sequence[Adapter], slots: _Slots, rank: int) -> Tensor:
        places = {adapter: place for place, adapter in enumerate(slots) if adapter is not None}
        place = torch.tensor([places.get(own, -1) for own in adapters])
        foreign = place[:, None] != torch.arange(len(slots)).repeat_interleave(rank)
        return self._steps.onto(foreign, self._weights.device)

    def _lay_out(self, adapters: tuple[Adapter, ...]) -> list[tuple[_Slots, int, list[_LayerLora]]]:
        """Slots and rank of each group, and its products of each layer."""
        layers = range(self._weights.shape.layers)
        return [
            (slots, rank, [self._layer(number, slots, rank) for number in layers])
            for slots, rank in self._groups(adapters)
        ]

    def _groups(self, adapters: tuple[Adapter, ...]) -> list[tuple[_Slots, int]]:
        """All in one; in steps of fixed shape an adapter's products have theirs in any company."""
        if not self._steps.fixed:
            return [(adapters, max(adapter.rank for adapter in adapters))]
        groups: list[tuple[_Slots, int]] = []
        by_rank: dict[int, list[Adapter]] = {}
        for adapter in adapters:
            by_rank.setdefault(filled_rank(adapter.rank), []).append(adapter)
        for rank, alike in sorted(by_rank.items()):
            for first in range(0, len(alike), SLOTS):
                part = alike[first : first + SLOTS]
                groups.append(((*part, *[None] * (SLOTS - len(part))), rank))
        return groups

    def _layer(self, number: int, slots: _Slots, rank: int) -> _LayerLora:
        weights, shape, layer = self._weights, self._weights.shape, self._weights.layers[number]
        inputs = (shape.width, shape.width, shape.width, shape.queries)
        outputs = (shape.queries, shape.keys, shape.keys, shape.width)
        (q_down, q), (k_down, k), (v_down, v), (out_down, out) = (
            self._stacked(
                [None if own is None else own.lora.get((number, name)) for own in slots],
                rank,
                *widths,
            )
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
