"""What a fine-tune computes in."""

from __future__ import annotations

import torch

from models.engine.matmul import fast_dtype
from models.generator import AdModel


def fast_precision(model: AdModel) -> torch.autocast:
    """A context in which products are bfloat16 where the device is fast in it.

    Weights, gradients and losses keep their own precision.
    """
    fast = fast_dtype(model.janus.dtype, model.device) == torch.bfloat16
    return torch.autocast(model.device.type, torch.bfloat16, enabled=fast)
