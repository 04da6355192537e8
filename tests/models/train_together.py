"""What each process of a training in several does, run by torchrun: first by DDP, then by FSDP.

On a CPU `accelerate` knows DDP alone; its state is told otherwise here, so that its way with FSDP
runs too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState

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
    os.environ |= {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "LlamaDecoderLayer",
    }
    Accelerator(cpu=True)
    AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin()
    for state in (AcceleratorState, PartialState):
        state._shared_state["distributed_type"] = DistributedType.FSDP


def train_calmly(folder: Path, name: str, **changes: object) -> None:
    """A training that is cut off after its first step, and goes on."""
    plan = CALM.model_copy(update=changes)
    train_on(folder / "data", plan.model_copy(update={"steps": 1}), folder / name, calm())
    train_on(folder / "data", plan, folder / name, calm())


if __name__ == "__main__":
    train_calmly(Path(sys.argv[1]), "ddp")
    share_weights_out()
    train_calmly(Path(sys.argv[1]), "fsdp")
