"""A moving average of weights, which is often better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class MovingAverage:
    """Of ``weights``, with a decay; 0 is the weights themselves and takes no memory."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.values = {n: w.detach().clone() for n, w in weights.items()} if decay else {}

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in the weights after ``step``, from 1; the first steps count for more."""
        decay = min(self._decay, step / (step + 10))
        for name, value in self.values.items():
            value.lerp_(self._weights[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """In this block the weights are their average."""
        before = {name: self._weights[name].detach().clone() for name in self.values}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(before)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self._weights[name].copy_(value)
