"""One LoRA round on clicks; the conditioning modules train whole beside it.

Clicked ads are what to draw (cross-entropy); pairs of a clicked and an unclicked ad say what to
draw rather than what (:mod:`adloom.models.training.preference_loss`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.nn import Parameter

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example, HistoryAd
from adloom.models.precision import fast_precision
from adloom.models.settings import FineTuneSettings
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.draws import seeded
from adloom.models.training.example_loss import example_loss, heldout_loss
from adloom.models.training.learning_curve import LearningCurve
from adloom.models.training.preference_loss import (
    PreferencePair,
    preference_loss,
    reference_margins,
)
from adloom.models.trends import Trends

_BEST = "best"


@dataclass(frozen=True)
class TrainingClicks:
    """What a round learns from.

    Attributes:
        clicked: clicked ads with the history known before each exposure.
        pairs: clicked against unclicked ads of one shopper or product.
        replay: earlier clicked ads, mixed in against forgetting.
        heldout: later clicked ads, never trained on.
        trends: clicked ads by category, the most clicked first, that the adapter may go by from now
            on; those it learns with come with the examples, so that none sees its own future.
    """

    clicked: Sequence[Example]
    pairs: Sequence[PreferencePair] = ()
    replay: Sequence[Example] = ()
    heldout: Sequence[Example] = ()
    trends: Mapping[str, tuple[HistoryAd, ...]] = field(default_factory=dict)


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

    Args:
        generator: the base; ``parent`` names the loaded adapter to start from, whose weights are
            also the reference of the preference loss.
        clicks: what to learn from.
        settings: rates, bounds on steps and seconds; rank and alpha where there is no parent
            (a child keeps its parent's).
        out: folder of this round; its name, without a dot, is the adapter's.
        parent: adapter that training starts from, ``None`` for a fresh one on the base.
        on_step: called with the step (from 1) and its loss.

    Raises:
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
        items = _choose_trend_items(generator, clicks, settings)
        if items:
            new_look = settings.trend.model_dump(exclude={"items"})
            settings = settings.model_copy(update=new_look)
        lessons = _lessons(generator, clicks, settings)
        curve = _train(generator, lessons, settings, out, on_step)
        if curve.best_step not in (0, len(curve.losses)):
            generator.drop_adapter(name)
            generator.load_adapter(name, out / _BEST)
            generator.activate(name)
        generator.save_adapter(name, out / "adapter")
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


def _choose_trend_items(
    generator: AdGenerator, clicks: TrainingClicks, settings: FineTuneSettings
) -> int:
    """Give the untrained adapter the new trends, as many items of them as the held-out clicks
    ask for: where shoppers go by their own taste alone, that is none."""
    assert generator.active is not None
    losses: dict[int, float] = {}
    if clicks.trends and clicks.heldout:
        for items in settings.trend.items:
            generator.know_trends(generator.active, Trends(items, clicks.trends))
            losses[items] = heldout_loss(generator, clicks.heldout, settings.batch_size)
    chosen = min(losses, key=losses.__getitem__, default=0)
    generator.know_trends(generator.active, Trends(chosen, clicks.trends))
    return chosen


def _lessons(
    generator: AdGenerator, clicks: TrainingClicks, settings: FineTuneSettings
) -> _Lessons:
    """The lessons; the untrained adapter is the reference of the pairs."""
    pairs = [
        PreferencePair(_told(generator, pair.clicked), _told(generator, pair.unclicked))
        for pair in (clicks.pairs if settings.preference_weight > 0 else ())
    ]
    reference = reference_margins(generator.model, pairs, settings.batch_size)
    return _Lessons(clicks, list(zip(pairs, reference, strict=True)), settings)


def _told(generator: AdGenerator, example: Example) -> Example:
    told = generator.told(example.brief, generator.active, besides=example.title)
    return replace(example, brief=told)


@dataclass(frozen=True)
class _Lessons:
    """Draws the batch of each step: clicked ads with some replay, and pairs with what the
    reference thinks of them."""

    clicks: TrainingClicks
    pairs: list[tuple[PreferencePair, float]]
    settings: FineTuneSettings

    def loss(self, generator: AdGenerator, draw: random.Random) -> torch.Tensor:
        """Loss of one step, with gradient."""
        size = self.settings.batch_size
        clicked, replay = list(self.clicks.clicked), list(self.clicks.replay)
        old = draw.sample(replay, min(round(self.settings.replay_share * size), len(replay)))
        batch = draw.sample(clicked, min(size - len(old), len(clicked))) + old
        device = generator.model.device
        blank = torch.tensor([draw.random() < 0.1 for _ in batch], device=device)
        hidden = [
            draw.random() if draw.random() < self.settings.hidden_context else 0.0 for _ in batch
        ]
        loss = example_loss(generator, batch, blank, torch.tensor(hidden, device=device))
        if self.pairs:
            drawn = draw.sample(self.pairs, min(max(1, size // 8), len(self.pairs)))
            pairs, reference = zip(*drawn, strict=True)
            preferred = preference_loss(
                generator.model, pairs, reference, self.settings.preference_beta
            )
            loss = loss + self.settings.preference_weight * preferred
        return loss


def _train(
    generator: AdGenerator,
    lessons: _Lessons,
    settings: FineTuneSettings,
    out: Path,
    on_step: Callable[[int, float], None],
) -> LearningCurve:
    """Train the active adapter within the bounds."""
    parameters, optimizer = _trainable(generator, settings)
    state, path = out / "state.safetensors", out / "losses.json"
    step = load_state(state, parameters, [optimizer])
    curve = LearningCurve.read(path, step)
    started = time.monotonic()
    while (
        step < settings.max_steps
        and time.monotonic() - started < settings.max_seconds
        and curve.looks_since_best() < settings.patience
    ):
        generator.model.train()
        seed = settings.seed * 1_000_003 + step
        # The noise of a step hangs on the step, so a resumed run meets the same.
        with seeded(seed, generator.model.device), fast_precision(generator.model):
            loss = lessons.loss(generator, random.Random(seed))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        step += 1
        curve.losses.append(loss.item())
        on_step(step, curve.losses[-1])
        if step % settings.evaluate_every == 0 or step == settings.max_steps:
            _look(generator, lessons, settings, step, curve, out / _BEST)
        if step % settings.checkpoint_every == 0:
            curve.write(path)
            save_state(state, parameters, [optimizer], step)
    optimizer.zero_grad(set_to_none=True)
    generator.model.eval()
    return curve


def _look(
    generator: AdGenerator,
    lessons: _Lessons,
    settings: FineTuneSettings,
    step: int,
    curve: LearningCurve,
    best: Path,
) -> None:
    """Note the held-out loss after ``step`` and keep the adapter where it is the least yet."""
    if not lessons.clicks.heldout:
        return
    assert generator.active is not None
    generator.model.eval()
    found = heldout_loss(generator, lessons.clicks.heldout, settings.batch_size)
    curve.heldout.append((step, found))
    if curve.best_step == step:
        generator.save_adapter(generator.active, best)


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
        {"params": list(modules.values()), "lr": settings.module_rate * settings.learning_rate},
    ]
    return parameters, torch.optim.AdamW(groups, weight_decay=0.01)
