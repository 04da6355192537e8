"""One LoRA round on clicked ads; the conditioning modules train whole beside it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.ad_generator import AdGenerator
from models.batching import batch_briefs, batch_targets
from models.brief import Example
from models.checkpoint import load_state, save_state
from models.settings import FineTuneSettings

TITLE_WEIGHT = 0.5
"""Share of the title's loss in the sum: a picture has many more tokens."""


@dataclass(frozen=True)
class FineTuneResult:
    """Folder of the trained adapter, loss by step, and held-out losses around the training."""

    adapter: Path
    losses: list[float]
    heldout_before: float
    heldout_after: float
    steps: int


def example_loss(
    generator: AdGenerator, examples: Sequence[Example], unconditional: torch.Tensor | None = None
) -> torch.Tensor:
    """Weighted sum of title and picture cross-entropy (nats a token), with gradient."""
    model = generator.model
    briefs = batch_briefs([e.brief for e in examples], model.tokenizer, model.config)
    targets = batch_targets(examples, model.tokenizer, model.config)
    title, picture = model(briefs.to(model.device), targets.to(model.device), unconditional)
    loss: torch.Tensor = TITLE_WEIGHT * title + picture
    return loss


@torch.inference_mode()
def heldout_loss(generator: AdGenerator, examples: Sequence[Example], batch_size: int) -> float:
    """Mean loss of ``examples`` under the active adapter; nan when there are none."""
    if not examples:
        return float("nan")
    total = 0.0
    for start in range(0, len(examples), batch_size):
        part = examples[start : start + batch_size]
        total += float(example_loss(generator, part)) * len(part)
    return total / len(examples)


def fine_tune(
    generator: AdGenerator,
    train: Sequence[Example],
    heldout: Sequence[Example],
    *,
    settings: FineTuneSettings,
    out: Path,
    parent: str | None = None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> FineTuneResult:
    """Train an adapter on ``train`` and write it to ``out/adapter``.

    Resumes from ``out/state.safetensors`` when an earlier run was cut off. The trained
    adapter stays loaded under the name of the folder ``out``. When the held-out loss got
    worse the caller decides what to do: both figures are returned.

    Args:
        generator: the base; ``parent`` names the loaded adapter to start from.
        train: clicked ads with the history known before each exposure.
        heldout: later clicked ads, never trained on.
        settings: rank, rates, bounds on steps and seconds.
        out: folder of this round.
        parent: adapter that training starts from, ``None`` for a fresh one on the base.
        on_step: called with the step (from 1) and its loss.

    Raises:
        ValueError: ``train`` is empty.
    """
    if not train:
        raise ValueError("no clicked ads to train on: wait for more clicks or widen the window")
    generator.activate(parent)
    before = heldout_loss(generator, heldout, settings.batch_size)
    name = out.name
    _start_from(generator, name, parent, settings)
    generator.activate(name)
    parameters = _trainable(generator)
    lora = [p for key, p in parameters.items() if "lora_" in key]
    modules = [p for key, p in parameters.items() if "lora_" not in key]
    optimizer = torch.optim.AdamW(
        [
            {"params": lora, "lr": settings.learning_rate},
            {"params": modules, "lr": settings.module_learning_rate},
        ],
        weight_decay=0.01,
    )
    state, curve = out / "state.safetensors", out / "losses.json"
    step = load_state(state, dict(parameters), optimizer)
    losses: list[float] = json.loads(curve.read_text())[:step] if step else []
    started = time.monotonic()
    generator.model.train()
    while step < settings.max_steps and time.monotonic() - started < settings.max_seconds:
        draw = random.Random(settings.seed * 1_000_003 + step)
        batch = draw.sample(list(train), min(settings.batch_size, len(train)))
        dropped = torch.tensor([draw.random() < 0.1 for _ in batch], device=generator.model.device)
        loss = example_loss(generator, batch, dropped)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        on_step(step, losses[-1])
        if step % settings.checkpoint_every == 0:
            curve.parent.mkdir(parents=True, exist_ok=True)
            curve.write_text(json.dumps(losses))
            save_state(state, dict(parameters), optimizer, step)
    generator.model.eval()
    after = heldout_loss(generator, heldout, settings.batch_size)
    generator.save_adapter(name, out / "adapter")
    return FineTuneResult(out / "adapter", losses, before, after, step)


def _start_from(
    generator: AdGenerator, name: str, parent: str | None, settings: FineTuneSettings
) -> None:
    """Add adapter ``name``, equal to ``parent`` where there is one."""
    if name in generator.adapters:
        generator.drop_adapter(name)
    generator.new_adapter(name, rank=settings.rank, alpha=settings.alpha)
    if parent is None:
        return
    weights = dict(generator.model.janus.model.language_model.named_parameters())
    with torch.no_grad():
        for key, value in weights.items():
            if f".{parent}." in key:
                weights[key.replace(f".{parent}.", f".{name}.")].copy_(value)
    generator.copy_conditioning(parent, name)


def _trainable(generator: AdGenerator) -> dict[str, torch.nn.Parameter]:
    """The active adapter's LoRA weights and conditioning modules; all else is frozen."""
    for parameter in generator.model.parameters():
        parameter.requires_grad_(False)
    chosen: dict[str, torch.nn.Parameter] = {}
    active = generator.active
    for key, parameter in generator.model.named_parameters():
        if ("lora_" in key and f".{active}." in key) or key.startswith("conditioning."):
            parameter.requires_grad_(True)
            chosen[key] = parameter
    return chosen
