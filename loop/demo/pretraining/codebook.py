"""Pictures to image tokens and back: the codebook, every ad of the pool in codes, the decoder."""

from __future__ import annotations

import random
from pathlib import Path

import mlflow
import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import load_file, save_file

from adloom.loop.demo.pretraining.ads import Pool
from adloom.loop.demo.pretraining.plan import PretrainPlan
from adloom.models import codebook
from adloom.models.generator import AdModel
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.codebook import CodebookTrainer, batches
from adloom.models.training.decoder import DecoderTrainer


def train_codebook(
    model: AdModel, pool: Pool, plan: PretrainPlan, out: Path, progress: Progress
) -> None:
    """Train the codebook for ``plan.codebook_steps``, from where ``out`` says."""
    vq = model.janus.model.vqmodel
    trainer = CodebookTrainer(
        vq,
        learning_rate=plan.codebook_rate,
        steps=plan.codebook_steps,
        warm_up=plan.codebook_warm_up,
        seed=plan.seed,
    )
    state = out / "codebook.safetensors"
    trainer.resume_at(load_state(state, dict(vq.named_parameters()), [trainer.optimizer]))
    task = progress.add_task(
        "Training the codebook", total=plan.codebook_steps, completed=trainer.step, note=""
    )
    pictures = torch.from_numpy(np.concatenate([pool.plates, pool.ads]))
    generator = torch.Generator().manual_seed(plan.seed + trainer.step)
    for pixels in batches(pictures, plan.codebook_batch, generator):
        if trainer.step >= plan.codebook_steps:
            break
        loss = trainer.train_step(pixels.to(model.device))
        if trainer.step % 10 == 0:
            mlflow.log_metric("codebook_loss", loss, step=trainer.step)
            mlflow.log_metric("codes_in_use", trainer.codes_in_use, step=trainer.step)
        if trainer.step % plan.checkpoint_every == 0 or trainer.step == plan.codebook_steps:
            save_state(state, dict(vq.named_parameters()), [trainer.optimizer], trainer.step)
        note = f"loss {loss:.3f}, {trainer.codes_in_use} codes"
        progress.update(task, completed=trainer.step, note=note)
    vq.eval().requires_grad_(False)


def pool_codes(
    model: AdModel, pool: Pool, out: Path, progress: Progress
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of the pool's plates and ads, int16 ``(n, image tokens)`` each.

    They are kept in ``out`` for the next start and for the other processes.
    """
    path = out / "codes.safetensors"
    if not path.is_file():
        task = progress.add_task(
            "Encoding the shop's ads", total=len(pool.plates) + len(pool.ads), note=""
        )
        kept = {}
        for name, pictures in (("plates", pool.plates), ("ads", pool.ads)):
            parts = []
            for part in torch.from_numpy(pictures).split(64):
                parts.append(_codes(model, part))
                progress.advance(task, len(part))
            kept[name] = torch.cat(parts)
        save_file(kept, str(path))
    codes = load_file(str(path))
    return codes["plates"], codes["ads"]


def _codes(model: AdModel, pictures: torch.Tensor) -> torch.Tensor:
    vq = model.janus.model.vqmodel
    return codebook.encode(vq, pictures.float() / 127.5 - 1.0).to("cpu", torch.int16)


def train_decoder(
    model: AdModel,
    pool: Pool,
    codes: torch.Tensor,
    plan: PretrainPlan,
    out: Path,
    progress: Progress,
) -> None:
    """Let the decoder learn on, on plates, for ``plan.decoder_steps``, from where ``out`` says.

    Args:
        codes: those of the plates, int16 ``(n, image tokens)``.
    """
    vq = model.janus.model.vqmodel
    trainer = DecoderTrainer(vq, learning_rate=plan.decoder_rate, steps=plan.decoder_steps)
    state = out / "decoder.safetensors"
    start = load_state(state, trainer.parameters, [trainer.optimizer])
    task = progress.add_task(
        "Training the decoder", total=plan.decoder_steps, completed=start, note=""
    )
    for step in range(start + 1, plan.decoder_steps + 1):
        rows = random.Random(f"{plan.seed}/{step}").sample(range(len(codes)), plan.codebook_batch)
        pixels = torch.from_numpy(pool.plates[rows]).float() / 127.5 - 1.0
        loss = trainer.train_step(
            codes[rows].long().to(model.device), pixels.to(model.device), step
        )
        if step % 10 == 0:
            mlflow.log_metric("decoder_loss", loss, step=step)
        if step % plan.checkpoint_every == 0 or step == plan.decoder_steps:
            save_state(state, trainer.parameters, [trainer.optimizer], step)
        progress.update(task, completed=step, note=f"loss {loss:.3f}")
    vq.requires_grad_(False)
