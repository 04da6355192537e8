"""What may be drawn at all: the likeliest tokens, by their number or by their probability.

Sources: top-k (arXiv 1805.04833), top-p or nucleus sampling (arXiv 1904.09751).
"""

from __future__ import annotations

import torch
from torch import Tensor


def truncate(logits: Tensor, temperature: float, top_k: int, top_p: float) -> None:
    """Set what is too unlikely to minus infinity, in place.

    Args:
        logits: ``(..., vocabulary)``; each is looked at by itself.
        temperature: divides them before they are drawn from.
        top_k: this many of the likeliest may be drawn, and what is as likely as the last of
            them; 0 sets no limit.
        top_p: as many of the likeliest as together have this probability; 1 sets no limit.
    """
    if 0 < top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[..., -1:]
        logits.masked_fill_(logits < least, -torch.inf)
    if top_p < 1:
        ranked = logits.sort(descending=True).values
        # In which order a GPU sums hangs on how many tokens there are: not to be seen in float64.
        shares = (ranked / temperature).softmax(-1).double()
        before = shares.cumsum(-1) - shares
        least = ranked.masked_fill(before >= top_p, torch.inf).amin(-1, keepdim=True)
        logits.masked_fill_(logits < least, -torch.inf)
