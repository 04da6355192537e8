"""One LoRA round on clicks; the conditioning modules train whole beside it.

Several processes may run it together: each computes a share of every batch, and all come to the
weights that one alone would.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from adloom.models.ad_generator import AdGenerator
from adloom.models.conditioning import STAYS
from adloom.models.precision import fast_precision
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import ClickLessons, TrainingClicks, click_lessons
from adloom.models.training.data_parallel import SharedBatch, from_first, rank, wait_for_all
from adloom.models.training.draws import seeded
from adloom.models.training.example_loss import heldout_loss
from adloom.models.training.learning_curve import LearningCurve
from adloom.models.training.trainer import Trainer, rate_groups
from adloom.models.training.trend_choice import choose_trend_items

_BEST = "best"


@dataclass(frozen=True)
class FineTuneResult:
    """Folder of the trained adapter, loss by step, and held-out losses around the training.

    ``best_step`` is the step whose weights the adapter holds; ``heldout`` are pairs of a step and
    the held-out loss after it; ``trend_items`` is how many ads of a trend its prompts have.
    """

    adapter: Path
    losses: list[float]
    heldout_before: float
    heldout_after: float
    best_step: int
    heldout: Sequence[tuple[int, float]] = ()
    trend_items: int = 0

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)


def fine_tune(
    generator: AdGenerator,
    clicks: TrainingClicks,
    *,
    settings: FineTuneSettings,
    out: Path,
    parent: str | None = None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> FineTuneResult:
    """Train an adapter on ``clicks`` and write it to ``out/adapter``.

    The adapter is that of the step with the least held-out loss; training ends early when no
    later step is better. Resumes from ``out/state.safetensors`` when an earlier run was cut
    off, and then ends where an unbroken run would have. The trained adapter stays loaded and
    active under the name of the folder ``out``. When anything is raised on the way the
    half-trained adapter is dropped and the generator is as it was. When the held-out loss got
    worse the caller decides what to do: both figures are returned.

    Processes that train together (:mod:`adloom.models.training.data_parallel`) all call this, with
    the same arguments and a generator of their own; the first writes, and all load what it wrote.

    Args:
        generator: the base; ``parent`` names the loaded adapter to start from, whose weights are
            also the reference of the preference loss.
        clicks: what to learn from.
        settings: rates, bounds on steps and seconds; rank and alpha where there is no parent
            (a child keeps its parent's).
        out: folder of this round; its name, without a dot, is the adapter's.
        parent: adapter that training starts from, ``None`` for a fresh one on the base.
        on_step: called with the step (from 1) and its loss, in the first process.

    Raises:
        WorkerLost: another process has ended.
        ValueError: there is no clicked ad, or ``out`` is named like ``parent``.
        UnknownAdapter: ``parent`` was never loaded.
    """
    name = out.name
    if not clicks.clicked:
        raise ValueError("no clicked ads to train on: wait for more clicks or widen the window")
    if name == parent:
        raise ValueError(f"a round cannot overwrite its parent {parent!r}: name its folder anew")
    active = generator.active
    try:
        generator.activate(parent)
        before = heldout_loss(generator, clicks.heldout, settings.batch_size)
        _start_from(generator, name, parent, settings)
        generator.activate(name)
        items = choose_trend_items(generator, clicks, settings)
        if items:
            new_look = settings.trend.model_dump(exclude={"items"})
            settings = settings.model_copy(update=new_look)
        lessons = click_lessons(generator, clicks, settings)
        curve = _train(generator, lessons, settings, out, on_step)
        if curve.best_step not in (0, len(curve.losses)):
            generator.drop_adapter(name)
            generator.load_adapter(name, out / _BEST)
            generator.activate(name)
        if rank() == 0:
            generator.save_adapter(name, out / "adapter")
        generator.end_training(name)
    except BaseException:
        generator.model.eval()
        if name in generator.adapters:
            generator.drop_adapter(name)
        generator.activate(active if active in generator.adapters else None)
        raise
    after = dict(curve.heldout).get(curve.best_step, before)
    best = curve.best_step or len(curve.losses)
    return FineTuneResult(out / "adapter", curve.losses, before, after, best, curve.heldout, items)


def _start_from(
    generator: AdGenerator, name: str, parent: str | None, settings: FineTuneSettings
) -> None:
    """Add adapter ``name``, equal to ``parent`` where there is one."""
    if name in generator.adapters:
        generator.drop_adapter(name)
    if parent is not None:
        generator.copy_adapter(parent, name)
        return
    with seeded(settings.seed, generator.model.device):
        generator.new_adapter(name, rank=settings.rank, alpha=settings.alpha)


def _train(
    generator: AdGenerator,
    lessons: ClickLessons,
    settings: FineTuneSettings,
    out: Path,
    on_step: Callable[[int, float], None],
) -> LearningCurve:
    """Train the active adapter within the bounds."""
    trainer = _trainer(generator, settings, out)
    started = time.monotonic()

    def may_go_on() -> bool:
        in_time = from_first(time.monotonic() - started < settings.max_seconds)
        return in_time and trainer.curve.looks_since_best() < settings.patience

    while trainer.step < settings.max_steps and may_go_on():
        generator.model.train()
        loss = trainer.learn([partial(_loss, generator, lessons, settings, trainer.step)])
        if rank() == 0:
            on_step(trainer.step, loss)
        if trainer.step % settings.evaluate_every == 0 or trainer.step == settings.max_steps:
            _look(generator, lessons, settings, trainer, out / _BEST)
        if trainer.step % settings.checkpoint_every == 0:
            trainer.keep()
    generator.model.eval()
    wait_for_all()  # what the first has written is whole
    return trainer.curve


def _loss(
    generator: AdGenerator, lessons: ClickLessons, settings: FineTuneSettings, step: int
) -> Tensor:
    seed = settings.seed * 1_000_003 + step
    # The noise of a step hangs on the step, so a resumed run meets the same.
    with seeded(seed, generator.model.device), fast_precision(generator.model):
        return lessons.loss(generator, random.Random(seed))


def _look(
    generator: AdGenerator,
    lessons: ClickLessons,
    settings: FineTuneSettings,
    trainer: Trainer,
    best: Path,
) -> None:
    """Note the held-out loss by now and keep the adapter where it is the least yet."""
    if not lessons.clicks.heldout:
        return
    assert generator.active is not None
    generator.model.eval()
    found = heldout_loss(generator, lessons.clicks.heldout, settings.batch_size)
    trainer.curve.heldout.append((trainer.step, found))
    if trainer.curve.best_step == trainer.step and rank() == 0:
        generator.save_adapter(generator.active, best)


def _trainer(generator: AdGenerator, settings: FineTuneSettings, out: Path) -> Trainer:
    """Over the active adapter's weights and modules; all else freezes."""
    assert generator.active is not None
    generator.model.requires_grad_(False)
    lora = generator.lora_parameters(generator.active)
    named = generator.model.conditioning.named_parameters(prefix="conditioning")
    modules = {name: weight for name, weight in named if not name.startswith(STAYS)}
    for parameter in (*lora.values(), *modules.values()):
        parameter.requires_grad_(True)
    rate = settings.learning_rate
    rates = dict.fromkeys(lora, rate) | dict.fromkeys(modules, settings.module_rate * rate)
    groups = rate_groups(lora | modules, rates)
    return Trainer(lora | modules, torch.optim.AdamW(groups, weight_decay=0.01), SharedBatch(), out)
