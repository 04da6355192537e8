"""Several image tokens a step, and still the tokens of one a step.

With a row's noise given, a token is the argmax of its logits and its noise: a picture is no longer
chance, but a function of the tokens before each. So the next tokens may be guessed and fed all
at once. Up to the first wrong guess all that comes out is as if it had been drawn token by token,
and what comes out after it are the next guesses, better ones. The decoder of a small model waits
for memory and for calls, so many tokens cost little more than one.

Sources: predictive sampling (arXiv 2002.09928), speculative Jacobi decoding (arXiv 2410.01699).
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDEST = 16
_NARROWEST = 4
"""In float32, a CPU's products over fewer queries than this add up in another order."""
_TOKENS = 48
"""Over all pictures of a step: with more, a core's arithmetic takes over from its waiting."""


def tokens_each(pictures: int, image_tokens: int) -> int:
    """How many tokens of each picture, one and guesses, are fed in a step that draws so many.

    The more pictures, the less comes for nothing.
    """
    return min(image_tokens, WIDEST, max(_NARROWEST, _TOKENS // max(1, pictures)))


class Guesses:
    """What up to ``rows`` rows are fed next: a token that was drawn, and guesses for those after.

    Tokens are as the decoder takes them, int64.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self._fed = torch.zeros(rows, WIDEST, dtype=torch.long, device=device)
        self._steps = torch.arange(WIDEST, device=device)

    def start(self, row: int, token: int, guess: int) -> None:
        """Begin ``row`` with ``token``; nothing is known of those after it."""
        self._fed[row] = guess
        self._fed[row, 0] = token

    def fed(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` of the first ``rows`` rows."""
        return self._fed[:rows, :width]

    def settle(self, drawn: Tensor) -> Tensor:
        """Compare guesses with what was drawn after them; the last drawn one goes on as guess.

        Args:
            drawn: ``(rows, width)``.

        Returns:
            How many tokens of each row are drawn for good, at least 1, int64 ``(rows,)``.
        """
        rows, width = drawn.shape
        right = self._fed[:rows, 1:width] == drawn[:, :-1]
        settled = 1 + right.long().cumprod(1).sum(1)
        later = (settled[:, None] - 1 + self._steps).clamp_max_(width - 1)
        self._fed[:rows] = drawn.gather(1, later)
        return settled

    def move(self, source: int, target: int) -> None:
        """Copy ``source`` over ``target``."""
        self._fed[target] = self._fed[source]
