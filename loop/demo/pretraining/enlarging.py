"""The stage in which a base learns to show its pictures larger and sharper than decoded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from adloom.loop.demo.pretraining.ads import Pool
from adloom.loop.demo.pretraining.plan import PretrainPlan
from adloom.models.generator import AdModel
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.enlarger import EnlargerTrainer


def train_enlarger(
    model: AdModel,
    pool: Pool,
    codes: Tensor,
    plan: PretrainPlan,
    out: Path,
    progress: Progress,
) -> None:
    """Train it, and the decoder along, on plates for ``plan.enlarger_steps``, from where ``out``
    says.

    Args:
        codes: those of the plates, int16 ``(n, image tokens)``.
    """
    assert model.enlarger is not None
    torch.manual_seed(plan.seed)
    trainer = EnlargerTrainer(
        model.janus.model.vqmodel,
        model.enlarger,
        learning_rate=plan.enlarger_rate,
        decoder_rate=plan.enlarged_decoder_rate,
        steps=plan.enlarger_steps,
        critic_alone=plan.enlarger_critic_alone,
    )
    shown = model.config.picture_size * model.config.enlarged
    state = out / "enlarger.safetensors"
    start = load_state(state, trainer.all_parameters, trainer.optimizers)
    task = progress.add_task(
        "Learning to enlarge", total=plan.enlarger_steps, completed=start, note=""
    )
    for step, rows, pixels in _examples(pool, plan, start, shown):
        fit, texture, told_apart = trainer.train_step(
            codes[rows].long().to(model.device), pixels.to(model.device), step
        )
        if step % 10 == 0:
            losses = {
                "enlarger_loss": fit,
                "texture_loss": texture,
                "enlarger_critic_loss": told_apart,
            }
            mlflow.log_metrics(losses, step=step)
        if step % plan.checkpoint_every == 0 or step == plan.enlarger_steps:
            save_state(state, trainer.all_parameters, trainer.optimizers, step)
        note = f"loss {fit:.3f}, texture {texture:.2f}, critic {told_apart:.3f}"
        progress.update(task, completed=step, note=note)
    model.requires_grad_(False)


def _examples(
    pool: Pool, plan: PretrainPlan, start: int, size: int
) -> Iterator[tuple[int, list[int], Tensor]]:
    """The steps after ``start``: number, rows of the pool and their plates; those of the next one
    are rendered meanwhile."""

    def rendered(step: int) -> tuple[int, list[int], Tensor]:
        count = len(pool.styles)
        rows = random.Random(f"{plan.seed}/{step}").sample(range(count), plan.codebook_batch)
        plates = np.stack([pool.plate(row, size) for row in rows])
        return step, rows, torch.from_numpy(plates).float() / 127.5 - 1.0

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(rendered, start + 1)
        for step in range(start + 1, plan.enlarger_steps + 1):
            example = coming.result()
            coming = ahead.submit(rendered, step + 1)
            yield example
