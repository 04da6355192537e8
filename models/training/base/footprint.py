"""Memory of a base's training on each GPU, by part, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from torch import Tensor, nn

from adloom.models.adapters import AdaptedModel
from adloom.models.bare_model import BaseShape
from adloom.models.generator import AdModel
from adloom.models.training.base.kept_bytes import kept_bytes
from adloom.models.training.base.parameters import prepare_for_training
from adloom.models.training.base.plan import BasePlan

Sharing = Literal["ddp", "fsdp"]
"""Whether each GPU has all weights, or they are shared out layer by layer."""
_MOMENTS = 2  # of AdamW
_LAYERS_AT_ONCE = 2  # one computes while the next is fetched


def training_bytes(shape: BaseShape, plan: BasePlan, gpus: int, sharing: Sharing) -> dict[str, int]:
    """Bytes on each of ``gpus`` GPUs at a step's fullest, by part.

    The batch is counted with full histories and texts. Gradients are counted beside all that is
    kept for them, though what is kept is let go of as they come: it is never more. ``fsdp`` wraps
    each layer of the language model; the rest is gathered as long as a step lasts.
    """
    model = _prepared(shape, plan)
    learnt = _bytes(w for w in model.parameters() if w.requires_grad)
    share = gpus if sharing == "fsdp" else 1
    parts = {name: size // share for name, size in _weights(model).items()}
    parts["gradients"] = learnt // share
    parts["optimiser moments"] = _MOMENTS * learnt // share
    if plan.ema:
        parts["averaged weights"] = learnt // share
    if gpus > 1:
        parts |= _exchanged(model, sharing)
    activations, logits = _kept(shape, _what_is_kept(plan))
    parts |= {"activations": activations, "logits": logits}
    if plan.checkpointing:
        parts["a layer computed anew"] = _one_layer(shape, plan)
    return parts


def _prepared(shape: BaseShape, plan: BasePlan) -> AdModel:
    adapted = AdaptedModel(shape.without_weights())
    prepare_for_training(adapted, plan)
    return adapted.model


def _weights(model: AdModel) -> dict[str, int]:
    lora = [w for name, w in model.janus.named_parameters() if ".lora_" in name]
    modules: dict[str, nn.Module] = {"modules": model.conditioning}
    if model.dinov2 is not None:
        modules["dinov2"] = model.dinov2
    return {
        "janus": _bytes(model.janus.parameters()) - _bytes(lora),
        "lora": _bytes(lora),
        **{name: _bytes(module.parameters()) for name, module in modules.items()},
    }


def _exchanged(model: AdModel, sharing: Sharing) -> dict[str, int]:
    """What processes hold of each other's: DDP sums gradients in buckets of its own; FSDP gathers
    the weights that it computes with, and has the gradients of those whole before it shares them.
    """
    if sharing == "ddp":
        return {"gradients exchanged": _bytes(w for w in model.parameters() if w.requires_grad)}
    layers = list(model.janus.model.language_model.layers)
    wrapped = {id(weight) for layer in layers for weight in layer.parameters()}
    rest = [weight for weight in model.parameters() if id(weight) not in wrapped]
    at_once = sorted((_bytes(layer.parameters()) for layer in layers), reverse=True)
    learnt = _bytes(weight for weight in rest if weight.requires_grad)
    return {"weights gathered": _bytes(rest) + learnt + sum(at_once[:_LAYERS_AT_ONCE])}


def _what_is_kept(plan: BasePlan) -> BasePlan:
    """``plan`` with its defaults where they change nothing of what is kept."""
    told = ("stage", "batch", "rank", "checkpointing", "dinov2_rate", "head_rate")
    return BasePlan(**plan.model_dump(include=set(told)))


@lru_cache(16)
def _kept_of(shape: BaseShape, told: str) -> tuple[int, int]:
    plan = BasePlan.model_validate_json(told)
    return kept_bytes(_prepared(shape, plan), plan.batch)


def _kept(shape: BaseShape, plan: BasePlan) -> tuple[int, int]:
    return _kept_of(shape, plan.model_dump_json())


def _one_layer(shape: BaseShape, plan: BasePlan) -> int:
    """What a layer of the language model keeps while it is computed for the second time."""
    whole = _what_is_kept(plan.model_copy(update={"checkpointing": False}))
    all_layers, _ = _kept(shape, whole)
    inputs, _ = _kept(shape, _what_is_kept(plan))
    layers: int = shape.janus.get_text_config().num_hidden_layers
    return (all_layers - inputs) // layers


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
