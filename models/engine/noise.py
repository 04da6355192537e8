"""Random numbers that hang on a row's own seed alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_BLOCK = 1 << 18
"""Numbers drawn in one call: all that a picture of the bundled model needs, and 1 MB."""


class GumbelNoise:
    """Noise for up to ``rows`` rows; the argmax of logits plus noise is a draw by softmax.

    A row's numbers come from a generator of its own on the CPU, so a seed gives the same noise
    on every device and whatever the batch around it. Many tokens' numbers are drawn in one call.
    """

    def __init__(self, rows: int, tokens: int, vocabulary: int, device: torch.device) -> None:
        self._block = max(1, min(tokens, _BLOCK // vocabulary))
        self._numbers = torch.zeros(rows, self._block, vocabulary, device=device)
        self._offsets = torch.arange(rows, device=device) * self._block
        self._used = torch.zeros(rows, dtype=torch.long, device=device)
        self._known = [0] * rows
        self._sources: list[tuple[torch.Generator, float] | None] = [None] * rows

    def start(self, row: int, seed: int, stage: int, temperature: float) -> None:
        """Give ``row`` the noise of a seed; the stages of a row share none.

        Noise times ``temperature`` is as good as logits divided by it.
        """
        key = np.random.SeedSequence([seed, stage]).generate_state(1, np.uint64)
        self._sources[row] = torch.Generator().manual_seed(int(key[0])), temperature
        self._refill(row)

    def next(self, rows: int) -> Tensor:
        """Noise ``(rows, vocabulary)`` for the next token of the first ``rows`` rows."""
        for row in range(rows):
            if self._known[row] == self._block:
                self._refill(row)
            self._known[row] += 1
        at = self._offsets[:rows] + self._used[:rows]
        self._used[:rows] += 1
        return self._numbers.flatten(0, 1).index_select(0, at)

    def move(self, source: int, target: int) -> None:
        """Let ``target`` go on with what ``source`` has."""
        self._numbers[target] = self._numbers[source]
        self._used[target] = self._used[source]
        self._known[target] = self._known[source]
        self._sources[target] = self._sources[source]

    def _refill(self, row: int) -> None:
        source = self._sources[row]
        assert source is not None
        generator, temperature = source
        drawn = torch.empty(self._numbers.shape[1:]).exponential_(generator=generator)
        self._numbers[row] = drawn.clamp_min_(1e-30).log_().mul_(-temperature)
        self._used[row] = self._known[row] = 0
