"""One LoRA round on clicked ads; the conditioning modules train whole beside it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import Parameter

from models.ad_generator import AdGenerator
from models.batching import TargetBatch, batch_briefs, batch_targets
from models.brief import Example
from models.checkpoint import load_state, save_state
from models.generator import AdModel
from models.settings import FineTuneSettings

TITLE_WEIGHT = 1.0
"""Weight of the title's loss beside the picture's."""


@dataclass(frozen=True)
class FineTuneResult:
    """Folder of the trained adapter, loss by step, and held-out losses around the training."""

    adapter: Path
    losses: list[float]
    heldout_before: float
    heldout_after: float
    steps: int


def example_loss(
    generator: AdGenerator,
    examples: Sequence[Example],
    unconditional: torch.Tensor | None = None,
    noise: torch.Tensor | None = None,
    keep: float | None = None,
) -> torch.Tensor:
    """Weighted sum of title and picture cross-entropy (nats a token), with gradient.

    ``unconditional`` bool ``(n,)`` marks rows that train the guidance's blank prompt.
    ``noise`` float ``(n,)`` is the share of a target's tokens that is replaced at random where
    they are context: after clean context only the first tokens of title and picture depend on
    the history, and a model that learns from nothing takes long to look there at all.
    ``keep`` as for :meth:`models.generator.AdModel.prefer`.
    """
    model = generator.model
    briefs = batch_briefs([e.brief for e in examples], model.tokenizer, model.config)
    targets = batch_targets(examples, model.tokenizer, model.config).to(model.device)
    context = None if noise is None else _noisy(targets, noise, model)
    title, picture = model(briefs.to(model.device), targets, unconditional, context, keep)
    loss: torch.Tensor = TITLE_WEIGHT * title + picture
    return loss


def _noisy(target: TargetBatch, share: torch.Tensor, model: AdModel) -> TargetBatch:
    """Replace a share of each row's tokens by random ones; padding stays."""

    def replaced(tokens: torch.Tensor, low: int, high: int) -> torch.Tensor:
        at_random = torch.randint_like(tokens, low, high)
        chosen = torch.rand(tokens.shape, device=tokens.device) < share[:, None]
        return torch.where(chosen, at_random, tokens)

    codes = replaced(target.codes, 0, model.janus.model.vqmodel.quantize.num_embeddings)
    titles = replaced(target.titles, model.janus.config.image_token_id + 1, len(model.tokenizer))
    padding = target.titles == model.tokenizer.pad_token_id
    return TargetBatch(target.titles.where(padding, titles), codes)


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

    Resumes from ``out/state.safetensors`` when an earlier run was cut off, and then ends
    where an unbroken run would have. The trained adapter stays loaded and active under the
    name of the folder ``out``. When anything is raised on the way the half-trained adapter
    is dropped and the generator is as it was. When the held-out loss got worse the caller
    decides what to do: both figures are returned.

    Args:
        generator: the base; ``parent`` names the loaded adapter to start from.
        train: clicked ads with the history known before each exposure.
        heldout: later clicked ads, never trained on.
        settings: rates, bounds on steps and seconds; rank and alpha where there is no parent
            (a child keeps its parent's).
        out: folder of this round; its name, without a dot, is the adapter's.
        parent: adapter that training starts from, ``None`` for a fresh one on the base.
        on_step: called with the step (from 1) and its loss.

    Raises:
        ValueError: ``train`` is empty, or ``out`` is named like ``parent``.
        UnknownAdapter: ``parent`` was never loaded.
    """
    name = out.name
    if not train:
        raise ValueError("no clicked ads to train on: wait for more clicks or widen the window")
    if name == parent:
        raise ValueError(f"a round cannot overwrite its parent {parent!r}: name its folder anew")
    active = generator.active
    try:
        generator.activate(parent)
        before = heldout_loss(generator, heldout, settings.batch_size)
        _start_from(generator, name, parent, settings)
        generator.activate(name)
        losses = _train(generator, train, settings, out, on_step)
        after = heldout_loss(generator, heldout, settings.batch_size)
        generator.save_adapter(name, out / "adapter")
    except BaseException:
        generator.model.eval()
        if name in generator.adapters:
            generator.drop_adapter(name)
        generator.activate(active if active in generator.adapters else None)
        raise
    return FineTuneResult(out / "adapter", losses, before, after, len(losses))


def _start_from(
    generator: AdGenerator, name: str, parent: str | None, settings: FineTuneSettings
) -> None:
    """Add adapter ``name``, equal to ``parent`` where there is one."""
    if name in generator.adapters:
        generator.drop_adapter(name)
    if parent is not None:
        generator.copy_adapter(parent, name)
        return
    with _seeded(settings.seed, generator.model.device):
        generator.new_adapter(name, rank=settings.rank, alpha=settings.alpha)


def _train(
    generator: AdGenerator,
    train: Sequence[Example],
    settings: FineTuneSettings,
    out: Path,
    on_step: Callable[[int, float], None],
) -> list[float]:
    """Train the active adapter within the bounds; returns the loss of each step so far."""
    parameters, optimizer = _trainable(generator, settings)
    state, curve = out / "state.safetensors", out / "losses.json"
    step = load_state(state, parameters, [optimizer])
    losses: list[float] = json.loads(curve.read_text())[:step] if step else []
    started = time.monotonic()
    generator.model.train()
    while step < settings.max_steps and time.monotonic() - started < settings.max_seconds:
        seed = settings.seed * 1_000_003 + step
        draw = random.Random(seed)
        batch = draw.sample(list(train), min(settings.batch_size, len(train)))
        dropped = torch.tensor([draw.random() < 0.1 for _ in batch], device=generator.model.device)
        # The noise of a step hangs on the step, so a resumed run meets the same.
        with _seeded(seed, generator.model.device):
            loss = example_loss(generator, batch, dropped)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        on_step(step, losses[-1])
        if step % settings.checkpoint_every == 0:
            _write_curve(curve, losses)
            save_state(state, parameters, [optimizer], step)
    optimizer.zero_grad(set_to_none=True)
    generator.model.eval()
    return losses


def _trainable(
    generator: AdGenerator, settings: FineTuneSettings
) -> tuple[dict[str, Parameter], torch.optim.Optimizer]:
    """The active adapter's weights and modules by name, and their optimiser; all else freezes."""
    assert generator.active is not None
    generator.model.requires_grad_(False)
    lora = generator.lora_parameters(generator.active)
    modules = dict(generator.model.conditioning.named_parameters(prefix="conditioning"))
    parameters = lora | modules
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    groups = [
        {"params": list(lora.values()), "lr": settings.learning_rate},
        {"params": list(modules.values()), "lr": settings.module_learning_rate},
    ]
    return parameters, torch.optim.AdamW(groups, weight_decay=0.01)


def _write_curve(path: Path, losses: list[float]) -> None:
    """Write the losses in one atomic move; before the state, so never fewer than its steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(losses))
    partial.replace(path)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch draws from ``seed`` inside, and goes on as if nothing was drawn after."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
