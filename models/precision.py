"""What computes in bfloat16 where the device is fast in it: training, and drawing pictures."""

from __future__ import annotations

import torch

from adloom.models.engine.matmul import fast_dtype
from adloom.models.generator import AdModel


def fast_precision(model: AdModel, dtype: torch.dtype | None = None) -> torch.autocast:
    """A context in which products are bfloat16 where the device is fast in it.

    Weights, gradients and losses keep their own precision. ``dtype`` says what the products are
    instead of leaving that to the device.
    """
    chosen = dtype or fast_dtype(model.janus.dtype, model.device)
    return torch.autocast(model.device.type, torch.bfloat16, enabled=chosen == torch.bfloat16)


def pretraining_precision(device: torch.device) -> torch.autocast:
    """Same for float32 weights that are trained whole.

    On a CPU without instructions for bfloat16 such products take over three times as long as
    float32 ones.
    """
    slow = device.type == "cpu" and fast_dtype(torch.float32, device) != torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=not slow)
