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
_TOKENS = 96
"""Over all rows of a step: with more, a core's arithmetic takes over from its waiting."""


def tokens_each(rows: int, image_tokens: int) -> int:
    """How many tokens of each row, one and guesses, are fed in a step of so many, twins counted.

    The more rows, the less comes for nothing.
    """
    return min(image_tokens, WIDEST, max(_NARROWEST, _TOKENS // max(1, rows)))


def settled(fed: Tensor, drawn: Tensor) -> Tensor:
    """How many of ``drawn`` are drawn for good: the first one, and those after right guesses.

    ``fed`` are the tokens after each of which one was drawn; both int64 ``(rows, tokens)``, and
    what is found ``(rows,)``.
    """
    right = fed[:, 1:] == drawn[:, :-1]
    return 1 + right.long().cumprod(1).sum(1)


def fed_next(drawn: Tensor, counts: Tensor) -> Tensor:
    """What is fed after ``counts`` of ``drawn``: the last of these, and guesses.

    These are what came out after wrong guesses; where nothing did, the last that came out.
    int64 ``(rows, WIDEST)`` of ``(rows, tokens)`` and ``(rows,)``.
    """
    ahead = torch.arange(WIDEST, device=drawn.device)
    return drawn.gather(1, (counts[:, None] - 1 + ahead).clamp_max(drawn.shape[1] - 1))
