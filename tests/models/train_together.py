"""What each process of a training in several does: first by DDP, then by FSDP.

On a CPU `accelerate` knows DDP alone; its state is told otherwise here, so that its way with FSDP
runs too.
"""

from __future__ import annotations

import os
from pathlib import Path

from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from torch.distributed.fsdp import FSDPModule

from adloom.loop.bases.training.processes import share_out_by_layer
from adloom.models.ad_generator import AdGenerator
from tests.models.base_training import PLAN, train_on
from tests.tiny_model import tiny_generator

CALM = PLAN.model_copy(
    update={"hidden_context": 0.0, "stage": "general", "ema": 0.5, "steps": 2, "batch": 1}
)


def calm() -> AdGenerator:
    """A tiny base that draws nothing at random while it learns."""
    generator = tiny_generator()
    model = generator.model
    model.config = model.config.model_copy(update={"condition_dropout": 0.0})
    vars(model.conditioning.foreground)["dropout"] = 0.0
    return generator


def share_weights_out() -> None:
    """As `accelerate launch --use_fsdp --fsdp_version 2` would on GPUs."""
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    share_out_by_layer(os.environ)
    Accelerator(cpu=True)
    AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin()
    for state in (AcceleratorState, PartialState):
        state._shared_state["distributed_type"] = DistributedType.FSDP


def train_calmly(folder: Path, name: str, **changes: object) -> AdGenerator:
    """A training that is cut off after its first step, and goes on."""
    plan, generator = CALM.model_copy(update=changes), calm()
    train_on(folder / "data", plan.model_copy(update={"steps": 1}), folder / name, calm())
    train_on(folder / "data", plan, folder / name, generator)
    return generator


def train_both_ways(folder: Path) -> None:
    """For processes that were told who they are, as torchrun does it."""
    train_calmly(folder, "ddp")
    share_weights_out()
    shared_out = train_calmly(folder, "fsdp")
    layers = shared_out.model.janus.model.language_model.layers
    assert all(isinstance(layer, FSDPModule) for layer in layers), "not shared out by layer"
