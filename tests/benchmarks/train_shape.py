"""Steps of training on a base of given sizes with random weights, beside the memory planned for.

`python -m tests.benchmarks.train_shape --shape janus-pro-1b [--batch 4] [--stage personal]
[--checkpointing] [--steps 12]`: seconds a step, ads a second, the most memory that a GPU gave, and
what `adloom base plan` says it takes. Ads have full histories and texts, their pictures are noise.
Started by `torchrun`, each process has a batch of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from adloom.models.ad_generator import AdGenerator
from adloom.models.bare_model import BaseShape
from adloom.models.brief import AdBrief, Example, HistoryAd
from adloom.models.precision import fast_precision
from adloom.models.training.base.accelerated import Accelerated
from adloom.models.training.base.footprint import training_bytes
from adloom.models.training.base.parameters import prepare_for_training, trained
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.example_loss import example_loss
from adloom.models.training.trainer import Trainer, rate_groups
from tests.tiny_model import products

_LONG = "fresh morning coffee " * 60
_WARM = 3  # steps before the clock runs: kernels are chosen, and moments made


def full_ads(generator: AdGenerator, count: int) -> list[Example]:
    """Ads with as many tokens everywhere as are read."""
    config, rng = generator.model.config, np.random.default_rng(0)

    def codes(tokens: int) -> Any:
        return rng.integers(0, 128, tokens).astype(np.int16)

    product = products()[0]
    found = []
    for _ in range(count):
        past = tuple(
            HistoryAd(_LONG, codes(config.history_codes)) for _ in range(config.history_items)
        )
        brief = AdBrief(_LONG, (), product.cutout(), past)
        found.append(Example(brief, _LONG, codes(config.image_tokens)))
    return found


def trained_steps(
    generator: AdGenerator, plan: BasePlan, accelerator: Accelerator, folder: Path
) -> tuple[list[float], list[float]]:
    """Seconds and losses of steps after the first ones."""
    rates = prepare_for_training(generator, plan)
    optimizer = torch.optim.AdamW(rate_groups(trained(generator.model, rates), rates))
    model, optimizer = accelerator.prepare(generator.model, optimizer)
    weights = trained(generator.model, rates)
    trainer = Trainer(weights, optimizer, Accelerated(accelerator, model), folder, clip=plan.clip)
    ads = full_ads(generator, plan.batch)

    def loss() -> torch.Tensor:
        with fast_precision(generator.model):
            return example_loss(generator, ads, through=model)

    generator.model.train()
    seconds, losses = [], []
    for step in range(_WARM + plan.steps):
        began = time.perf_counter()
        losses.append(trainer.learn([partial(loss)], 1.0))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if step >= _WARM:
            seconds.append(time.perf_counter() - began)
    return seconds, losses


def measure(shape: str, plan: BasePlan) -> dict[str, Any]:
    """Everything that is printed."""
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    sizes = BaseShape.of(shape.lower().removeprefix("janus-pro-"))
    generator = AdGenerator(sizes.with_random_weights(accelerator.device), rows=1)
    with tempfile.TemporaryDirectory() as folder:
        seconds, losses = trained_steps(generator, plan, accelerator, Path(folder))
    step, gib = statistics.median(seconds), 2**30
    processes = accelerator.num_processes
    planned = training_bytes(sizes, plan, processes, "ddp")
    found: dict[str, Any] = {
        "processes": processes,
        "seconds_per_step": step,
        "ads_per_second": plan.batch * processes / step,
        "first_and_last_loss": [losses[0], losses[-1]],
        "planned_gib": sum(planned.values()) / gib,
        "device": str(accelerator.device),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["most_allocated_gib"] = torch.cuda.max_memory_allocated() / gib
        found["most_reserved_gib"] = torch.cuda.max_memory_reserved() / gib
    if processes > 1:
        torch.distributed.destroy_process_group()
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="janus-pro-1b")
    parser.add_argument("--stage", choices=["general", "personal"], default="personal")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--checkpointing", action="store_true")
    told = parser.parse_args()
    plan = BasePlan(
        stage=told.stage, batch=told.batch, steps=told.steps, checkpointing=told.checkpointing
    )
    print(json.dumps(measure(told.shape, plan), indent=2))


if __name__ == "__main__":
    main()
