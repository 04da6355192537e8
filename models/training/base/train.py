"""The training of a base by `accelerate`: one process or many, DDP or FSDP.

Source: https://huggingface.co/docs/accelerate. Which of them it is, and its options, are said by
what starts the processes (`accelerate launch`, `torchrun`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.precision import fast_precision
from adloom.models.training.base.accelerated import Accelerated
from adloom.models.training.base.average import MovingAverage
from adloom.models.training.base.lessons import Lesson, Lessons, by_step, heldout_examples
from adloom.models.training.base.parameters import prepare_for_training, trained
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.base.records import ShuffledRecords
from adloom.models.training.draws import seeded
from adloom.models.training.example_loss import example_loss
from adloom.models.training.learning_curve import LearningCurve
from adloom.models.training.schedule import rate_share
from adloom.models.training.trainer import Trainer, rate_groups

if TYPE_CHECKING:
    from accelerate import Accelerator

AVERAGE = "average."
"""Before the names of averaged weights in a state."""


class Watch(Protocol):
    """Is told how a training goes, in the first process alone."""

    def on_step(self, step: int, loss: float) -> None:
        """After each step, from 1."""

    def on_look(
        self, curve: LearningCurve, generator: AdGenerator | None, heldout: Sequence[Example]
    ) -> None:
        """After each look at the held-out loss; the generator draws as the base would by now.

        It is None where its weights are shared out among processes: no process could draw alone.
        """


@dataclass(frozen=True)
class TrainingData:
    """Records that are learnt from, and those that are not."""

    train: ShuffledRecords
    heldout: ShuffledRecords


def train_base(
    generator: AdGenerator,
    data: TrainingData,
    plan: BasePlan,
    out: Path,
    accelerator: Accelerator,
    watch: Watch,
) -> LearningCurve:
    """Train by ``plan``, from where ``out`` says, and leave the trained weights there.

    What is trained, and the optimiser's moments, are in ``out/state.safetensors`` every
    ``plan.checkpoint_every`` steps and at the end: a training that was cut off goes on from there
    to the same losses as an unbroken one. Every process calls this with a generator of its own.
    """
    run = _Run(generator, data, plan, out, accelerator, watch)
    run.to_the_end()
    return run.trainer.curve


class _Run:
    def __init__(
        self,
        generator: AdGenerator,
        data: TrainingData,
        plan: BasePlan,
        out: Path,
        accelerator: Accelerator,
        watch: Watch,
    ) -> None:
        self.generator, self.plan = generator, plan
        self.accelerator, self.watch = accelerator, watch
        with seeded(plan.seed, generator.model.device):
            self.rates = prepare_for_training(generator, plan)
        weights = trained(generator.model, self.rates)
        optimizer = torch.optim.AdamW(
            rate_groups(weights, self.rates), betas=(0.9, 0.95), weight_decay=plan.weight_decay
        )
        self.model: nn.Module
        self.model, optimizer = accelerator.prepare(generator.model, optimizer)
        # Sharing out weights replaces them.
        weights = trained(generator.model, self.rates)
        self.average = MovingAverage(weights, plan.ema)
        self.trainer = Trainer(
            weights,
            optimizer,
            Accelerated(accelerator, self.model),
            out,
            clip=plan.clip,
            beside={AVERAGE + name: value for name, value in self.average.values.items()},
        )
        config = generator.model.config
        places = accelerator.process_index, accelerator.num_processes
        self.lessons = Lessons(data.train, plan, config, *places)
        self.heldout = heldout_examples(data.heldout, plan, config)

    def to_the_end(self) -> None:
        trainer, plan = self.trainer, self.plan
        for batches in by_step(self.lessons.after(trainer.step), plan.accumulate):
            self.generator.model.train()
            share = rate_share(trainer.step + 1, plan.steps, round(plan.warm_up * plan.steps))
            loss = trainer.learn([partial(self._loss, batch) for batch in batches], share)
            self.average.follow(trainer.step)
            if self.accelerator.is_main_process:
                self.watch.on_step(trainer.step, loss)
            last = trainer.step == plan.steps
            if last or trainer.step % plan.evaluate_every == 0:
                self._look()
            if last or trainer.step % plan.checkpoint_every == 0:
                trainer.keep()

    def _loss(self, batch: Lesson) -> torch.Tensor:
        device = self.generator.model.device
        blank, noise = batch.hidden(device)
        with seeded(batch.seed, device), self._precision():
            return example_loss(self.generator, batch.examples, blank, noise, through=self.model)

    @torch.no_grad()
    def _look(self) -> None:
        """Note the held-out loss; every process looks, since weights may be shared out."""
        self.generator.model.eval()
        total, size = 0.0, self.plan.batch
        with self.average.in_place():
            for start in range(0, len(self.heldout), size):
                part = self.heldout[start : start + size]
                with self._precision():
                    loss = example_loss(self.generator, part, through=self.model)
                total += float(loss) * len(part)
            curve = self.trainer.curve
            curve.heldout.append((self.trainer.step, total / len(self.heldout)))
            if self.accelerator.is_main_process:
                shared_out = self.accelerator.distributed_type.value == "FSDP"
                drawing = None if shared_out else self.generator
                self.watch.on_look(curve, drawing, self.heldout)
        self.accelerator.wait_for_everyone()

    def _precision(self) -> torch.autocast:
        chosen = self.plan.precision
        dtype = None if chosen == "auto" else getattr(torch, chosen)
        return fast_precision(self.generator.model, dtype)
