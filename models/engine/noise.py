"""Random numbers that hang on a row's own seed alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from adloom.models.engine.hashed_noise import HashedNoise
from adloom.models.engine.steps import Steps

_BLOCK = 1 << 18
"""Numbers drawn in one call: all that a picture of the bundled model needs, and 1 MB."""


def noise_of_rows(
    steps: Steps, rows: int, tokens: int, vocabulary: int, device: torch.device, widest: int
) -> GumbelNoise | HashedNoise:
    """Noise for rows that draw up to ``tokens`` tokens, up to ``widest`` a step."""
    if steps.fixed:
        return HashedNoise(rows, vocabulary, device)
    return GumbelNoise(rows, tokens, vocabulary, device, widest)


class GumbelNoise:
    """Noise for up to ``rows`` rows; the argmax of logits plus noise is a draw by softmax.

    A row's numbers come from a generator of its own, whatever the batch around it. Many tokens'
    numbers are drawn in one call.
    """

    def __init__(
        self, rows: int, tokens: int, vocabulary: int, device: torch.device, widest: int = 1
    ) -> None:
        """Rows draw up to ``tokens`` tokens, and look up to ``widest`` of them ahead."""
        self._block = max(min(widest, tokens), min(tokens, _BLOCK // vocabulary))
        # Where a block has not all of them, the next one is there too, to look into.
        self._blocks = 1 if self._block == tokens else 2
        self._numbers = torch.zeros(rows, self._blocks * self._block, vocabulary, device=device)
        self._used = [0] * rows
        self._sources: list[tuple[np.random.Generator, float] | None] = [None] * rows

    @property
    def bytes(self) -> int:
        """Memory of the noise of all rows."""
        return self._numbers.nbytes

    def start(self, row: int, seed: int, stage: int, temperature: float) -> None:
        """Give ``row`` the noise of a seed; the stages of a row share none.

        Noise times ``temperature`` is as good as logits divided by it.
        """
        self._sources[row] = np.random.default_rng([seed, stage]), temperature
        self._used[row] = 0
        for block in range(self._blocks):
            self._fill(row, block)

    def ahead(self, rows: int, width: int) -> Tensor:
        """Noise ``(rows, width, vocabulary)`` of the next tokens of the first ``rows`` rows.

        What lies beyond a row's last token is of no use.
        """
        _, room, vocabulary = self._numbers.shape
        at = [
            row * room + min(used + step, room - 1)
            for row, used in enumerate(self._used[:rows])
            for step in range(width)
        ]
        places = torch.tensor(at, device=self._numbers.device)
        return self._numbers.view(-1, vocabulary).index_select(0, places).view(rows, width, -1)

    def advance(self, drawn: Tensor) -> None:
        """Count that many tokens, int64 ``(rows,)``, of each of the first rows as drawn."""
        for row, count in enumerate(drawn.tolist()):
            self._used[row] += count
            if self._blocks == 2 and self._used[row] >= self._block:
                self._used[row] -= self._block
                self._numbers[row, : self._block] = self._numbers[row, self._block :]
                self._fill(row, 1)

    def move(self, source: int, target: int) -> None:
        """Let ``target`` go on with what ``source`` has."""
        self._numbers[target] = self._numbers[source]
        self._used[target] = self._used[source]
        self._sources[target] = self._sources[source]

    def _fill(self, row: int, block: int) -> None:
        source = self._sources[row]
        assert source is not None
        generator, temperature = source
        part = self._numbers[row].view(self._blocks, self._block, -1)[block]
        # Several times as fast as torch's, which does not use the processor's vectors.
        drawn = torch.from_numpy(generator.standard_exponential(part.shape, dtype=np.float32))
        part.copy_(drawn.clamp_min_(1e-30).log_().mul_(-temperature))
