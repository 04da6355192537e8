"""Adapters as the engine takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from adloom.models.conditioning import Conditioning
from adloom.models.engine import Adapter
from adloom.models.engine.lora import Lora


class Snapshots:
    """Of each adapter the last one: the same object as long as its weights are the same."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[tuple[tuple[int, int], ...], Adapter]] = {}

    def of(
        self,
        name: str | None,
        weights: Mapping[str, Tensor],
        conditioning: Conditioning,
        lora: Callable[[], Lora],
    ) -> Adapter:
        """The adapter ``name`` as it is now; ``lora`` lays out ``weights`` for the engine."""
        watched = (*weights.values(), *conditioning.parameters())
        state = tuple((weight.data_ptr(), weight._version) for weight in watched)
        known = self._known.get(name)
        if known is not None and known[0] == state and known[1].conditioning is conditioning:
            return known[1]
        adapter = Adapter(lora(), conditioning)
        self._known[name] = state, adapter
        return adapter

    def drop(self, name: str) -> None:
        """Forget an adapter."""
        self._known.pop(name, None)
