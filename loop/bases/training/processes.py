"""The processes that a launcher started to train a base together."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

_BY_LAYER = {
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "LlamaDecoderLayer",
}
"""A layer of the language model at a time is gathered; unasked, accelerate gathers all at once."""


def joined() -> Accelerator:
    """This process among them; the others may wait for it for long."""
    share_out_by_layer(os.environ)
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=12))
    return Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[patience])


def share_out_by_layer(environment: MutableMapping[str, str]) -> None:
    """Where weights are to be shared out (FSDP) and nobody said how: layer by layer.

    Args:
        environment: as `accelerate launch` leaves it.
    """
    asked = environment.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    policy = environment.get("FSDP_AUTO_WRAP_POLICY", _BY_LAYER["FSDP_AUTO_WRAP_POLICY"]).upper()
    if asked and policy == _BY_LAYER["FSDP_AUTO_WRAP_POLICY"]:
        for name, value in _BY_LAYER.items():
            environment.setdefault(name, value)
