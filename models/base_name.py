"""Names a base model by its weights, so that what was begun on one does not go on with another."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

_VALUES = 64  # of each weight: enough to tell trainings apart, and read at once from 7 billion


def base_name(*modules: nn.Module) -> str:
    """The same for the same weights, also in bfloat16 and with adapters on them."""
    digest = hashlib.sha256()
    for module in modules:
        weights = {
            name.replace(".base_layer.", "."): weight
            for name, weight in module.named_parameters()
            if ".lora_" not in name
        }
        for name, weight in sorted(weights.items()):
            values = weight.detach().flatten()[:_VALUES].to(torch.bfloat16).float().cpu()
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:32]
