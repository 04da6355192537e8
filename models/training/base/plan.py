"""What a training of a base does: all of it set before the first step."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adloom.models.settings import MOST_ALPHA, MOST_RANK

Stage = Literal["general", "personal"]
Precision = Literal["auto", "bfloat16", "float32"]
MOST_ADS = 4096
"""Of a batch, in one process: more are no batch but a slip."""


class BasePlan(BaseModel):
    """Uni-AdGen, section 4.1: LoRA on the language model, the modules around it whole.

    The ``general`` stage learns without histories and leaves what reads them alone; ``personal``
    draws a history for each ad. LoRA learns at ``lora_rate``, the paper's. The modules start from
    zero and learn at ``module_rate``, for at LoRA's rate they would hardly have moved after a
    training; DINOv2 knows what it sees already and learns at ``dinov2_rate`` (0: frozen), the
    generation head and what embeds codes at ``head_rate`` (0: frozen).

    A step is ``accumulate`` batches of ``batch`` ads in each process. Rates warm up over the
    share ``warm_up`` of the steps, and fall by a cosine. For a share ``hidden_context`` of the ads
    what comes before a token is partly replaced at random, as after clean context only the first
    tokens depend on the history. With ``ema`` the base is the moving average of its steps with that
    decay (0: the last step). ``checkpointing`` computes the layers' activations twice instead of
    keeping them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Stage
    steps: int = Field(20_000, ge=1)
    batch: int = Field(4, ge=1, le=MOST_ADS)
    accumulate: int = Field(1, ge=1)
    rank: int = Field(16, ge=1, le=MOST_RANK)
    alpha: int = Field(32, ge=1, le=MOST_ALPHA)
    lora_rate: float = Field(5e-5, gt=0)
    module_rate: float = Field(3e-4, gt=0)
    dinov2_rate: float = Field(1e-5, ge=0)
    head_rate: float = Field(0.0, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    warm_up: float = Field(0.03, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    hidden_context: float = Field(0.25, ge=0, le=1)
    ema: float = Field(0.0, ge=0, lt=1)
    checkpointing: bool = False
    precision: Precision = "auto"
    heldout: int = Field(128, ge=1)
    evaluate_every: int = Field(500, ge=1)
    checkpoint_every: int = Field(200, ge=1)
    samples: int = Field(4, ge=0)
    seed: int = 0
