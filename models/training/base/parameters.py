"""Which weights of a base a training changes, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn import Parameter

from adloom.models.adapters import AdaptedModel
from adloom.models.conditioning import STAYS
from adloom.models.training.base.plan import BasePlan

ADAPTER = "trained"
"""Name of the LoRA adapter while it is trained."""
_HEAD = ("janus.model.generation_head.", "janus.model.generation_aligner.")
_READS_HISTORIES = "conditioning.preference."
_UNUSED = "mask_token"  # of DINOv2's own pretraining


def prepare_for_training(adapted: AdaptedModel, plan: BasePlan) -> dict[str, float]:
    """Add what is trained and freeze the rest; names of the former in the model, with their rates.

    It is float32 from then on: in bfloat16 small steps are lost in rounding. The modules are those
    of the base, which is not asked for any more as it was.
    """
    adapted.new_adapter(ADAPTER, rank=plan.rank, alpha=plan.alpha, copy_modules=False)
    adapted.activate(ADAPTER)
    model = adapted.model
    rates = {
        name: rate for name, _ in model.named_parameters() if (rate := _rate_of(name, plan)) > 0
    }
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in rates)
        if name in rates:
            parameter.data = parameter.data.float()
    if plan.checkpointing:
        llama: Any = model.janus.model.language_model
        llama.gradient_checkpointing_enable({"use_reentrant": False})
    return rates


def _rate_of(name: str, plan: BasePlan) -> float:
    if name.endswith((f".lora_A.{ADAPTER}.weight", f".lora_B.{ADAPTER}.weight")):
        return plan.lora_rate
    if name.startswith(STAYS):
        return 0.0
    if name.startswith(_READS_HISTORIES) and plan.stage == "general":
        return 0.0
    if name.startswith("conditioning."):
        return plan.module_rate
    if name.startswith("dinov2.") and _UNUSED not in name:
        return plan.dinov2_rate
    return plan.head_rate if name.startswith(_HEAD) else 0.0


def trained(model: nn.Module, rates: Mapping[str, float]) -> dict[str, Parameter]:
    """The weights of these names, as they are in ``model`` now."""
    found = dict(model.named_parameters())
    return {name: found[name] for name in rates}
