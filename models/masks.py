"""Who may see whom, and where each token stands, by a mask of valid tokens ``(n, length)``."""

from __future__ import annotations

import torch
from torch import Tensor


def count_positions(valid: Tensor) -> Tensor:
    """Positions ``(n, length)``: how many valid tokens came before."""
    return (valid.long().cumsum(1) - 1).clamp_min(0)


def causal_mask(valid: Tensor) -> Tensor:
    """Bool mask ``(n, 1, length, length)``: earlier valid tokens, and always oneself."""
    length = valid.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=valid.device).tril()
    own = torch.eye(length, dtype=torch.bool, device=valid.device)
    return ((causal & valid[:, None, :]) | own).unsqueeze(1)
