"""What each token of a batch of ads costs."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from adloom.models.batching import TargetBatch


class TokenLosses(NamedTuple):
    """Cross-entropy in nats of title tokens ``(n, t)``, 0 where none is ``scored`` (bool), and of
    image tokens ``(n, image tokens)``."""

    title: Tensor
    scored: Tensor
    picture: Tensor


def token_losses(
    logits: tuple[Tensor, Tensor], target: TargetBatch, pad: int, unconditional: Tensor | None
) -> TokenLosses:
    """Of ``target``, by the ``logits`` of its titles and pictures; float32.

    Padding is not scored, nor are titles of rows that are ``unconditional`` bool ``(n,)``.
    """
    titles, pictures = logits
    scored = target.titles != pad
    if unconditional is not None:
        scored = scored & ~unconditional[:, None]
    return TokenLosses(
        _cross_entropy(titles, target.titles) * scored,
        scored,
        _cross_entropy(pictures, target.codes),
    )


def _cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    flat = F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten(), reduction="none")
    return flat.view_as(tokens)
