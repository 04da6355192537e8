"""Guidance that a base has learnt: its strength goes in, and no second row has to be drawn.

Classifier-free guidance computes each row twice, with its prompt and without, and draws from what
lies beyond the first as seen from the second. A model can learn what comes out of that for any
strength. Source: guidance distillation (arXiv 2210.03142, section 3.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STRONGEST = 8.0
"""What is learnt; stronger ones guide like it."""
_HIDDEN = 64
_POWERS = 4


class LearntGuidance(nn.Module):
    """The strength of guidance as a vector that is added wherever an image token comes next.

    At strength 1, which is none, it is 0: the model then tells the probabilities that it was
    trained for. It starts as 0 for all.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Linear(_HIDDEN, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(_POWERS, _HIDDEN), nn.GELU(), last)

    def forward(self, strengths: Tensor) -> Tensor:
        """Of strengths from 1 on, float ``(n,)``, vectors ``(n, width)``."""
        dtype = next(self.parameters()).dtype
        strengths = strengths.clamp(max=STRONGEST)
        beyond = ((strengths - 1) / (strengths + 1))[:, None]
        powers = torch.cat([beyond**power for power in range(_POWERS)], dim=1)
        vectors: Tensor = beyond.to(dtype) * self.layers(powers.to(dtype))
        return vectors
