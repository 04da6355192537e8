"""Noise that is reckoned where and when it is needed, from a row's seed and the token's number.

Drawing all numbers of a picture on a host takes longer than a GPU takes for the picture, and
keeping them takes 38 MB a row at Janus-Pro's sizes. Here a number is a hash of its place.

Source of the hash's rounds: C. Wellons, "Prospecting for hash functions" (nullprogram.com, 2018;
public domain), `lowbias32`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_WORD = (1 << 32) - 1


class HashedNoise:
    """Gumbel noise of up to ``rows`` rows, as :class:`adloom.models.engine.noise.GumbelNoise`.

    Everything that it hangs on lies on the device; it keeps no numbers.
    """

    def __init__(self, rows: int, vocabulary: int, device: torch.device) -> None:
        self._vocabulary = vocabulary
        self._keys = torch.zeros(rows, 2, dtype=torch.long, device=device)
        self._temperatures = torch.ones(rows, 1, 1, device=device)
        self._used = torch.zeros(rows, dtype=torch.long, device=device)

    @property
    def bytes(self) -> int:
        """Memory of what is kept of all rows."""
        return sum(kept.nbytes for kept in (self._keys, self._temperatures, self._used))

    def start(self, row: int, seed: int, stage: int, temperature: float) -> None:
        """Give ``row`` the noise of a seed; the stages of a row share none."""
        first, second = np.random.SeedSequence([seed, stage]).generate_state(2).tolist()
        self._keys[row, 0] = first
        self._keys[row, 1] = second
        self._temperatures[row] = temperature
        self._used[row] = 0

    def ahead(self, rows: int, width: int) -> Tensor:
        """Noise ``(rows, width, vocabulary)`` of the next tokens of the first ``rows`` rows."""
        device = self._keys.device
        tokens = self._used[:rows, None, None] + torch.arange(width, device=device)[:, None]
        places = tokens * self._vocabulary + torch.arange(self._vocabulary, device=device)
        first, second = self._keys[:rows, None, None].unbind(-1)
        hashed = _mixed(_mixed(places ^ first) ^ second)
        # Near 0, where large noise comes from, a float is exact to the hash's last bit.
        share = hashed.float().add_(0.5).mul_(2.0**-32).clamp_(max=1 - 2.0**-24)
        return share.neg_().log1p_().neg_().log_().mul_(-self._temperatures[:rows])

    def advance(self, drawn: Tensor) -> None:
        """Count that many tokens, int64 ``(rows,)``, of each of the first rows as drawn."""
        self._used[: len(drawn)] += drawn

    def move(self, source: int, target: int) -> None:
        """Let ``target`` go on with what ``source`` has."""
        for kept in (self._keys, self._temperatures, self._used):
            kept[target] = kept[source]


def _mixed(words: Tensor) -> Tensor:
    """Each of ``words``, of 32 bits in int64, to another so that every bit hangs on every bit."""
    words = (words ^ (words >> 16)) * 0x7FEB352D & _WORD
    words = (words ^ (words >> 15)) * 0x846CA68B & _WORD
    return words ^ (words >> 16)
