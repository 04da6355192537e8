"""The stage in which a base learns to be guided without a twin."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import Progress

from adloom.loop.demo.pretraining.generator import examples_of, noise_of
from adloom.loop.demo.pretraining.learning import learn
from adloom.loop.demo.pretraining.plan import Lesson, PretrainPlan
from adloom.loop.demo.pretraining.shoppers import TrainingShoppers
from adloom.models.ad_generator import AdGenerator
from adloom.models.generator import AdModel
from adloom.models.guidance import STRONGEST, LearntGuidance
from adloom.models.precision import pretraining_precision
from adloom.models.training.example_loss import batch_of, noisy
from adloom.models.training.guidance import guidance_loss

_LEARNS = ("janus.model.language_model.layers", "janus.model.generation_head", "guidance")
"""What reads histories, and how text is read and written, stay."""
_AS_DRAWN = 0.5
"""Share of the examples that are guided about as strongly as the base draws."""


def train_guidance(
    model: AdModel,
    shoppers: TrainingShoppers,
    plan: PretrainPlan,
    state: Path,
    progress: Progress,
    on_kept: Callable[[], None] = lambda: None,
) -> None:
    """Train towards what ``model`` draws by twins when this begins: see
    :func:`adloom.loop.demo.pretraining.learning.learn`."""
    teacher = copy.deepcopy(model).requires_grad_(False).eval()
    model.config = model.config.model_copy(update={"guidance": "learnt"})
    model.conditioning.guidance = LearntGuidance(model.width).to(model.device)
    model.requires_grad_(False)
    parameters = {
        name: parameter
        for name, parameter in model.named_parameters()
        if any(part in name for part in _LEARNS)
    }
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    generator = AdGenerator(model)

    def loss_of(step: int, rng: random.Random) -> torch.Tensor:
        return _loss(generator, teacher, shoppers, plan, plan.lesson(step), rng)

    learn(
        parameters,
        loss_of,
        plan,
        state,
        progress,
        doing="Learning to be guided",
        metric="guidance_loss",
        on_kept=on_kept,
    )
    model.requires_grad_(False)


def _loss(
    generator: AdGenerator,
    teacher: AdModel,
    shoppers: TrainingShoppers,
    plan: PretrainPlan,
    lesson: Lesson,
    rng: random.Random,
) -> torch.Tensor:
    """Of a batch of examples as the lesson wants them."""
    model = generator.model
    examples = examples_of(lesson, shoppers, plan.generator_batch, rng)
    briefs, targets = batch_of(generator, examples)
    noise = torch.tensor([noise_of(lesson, rng) for _ in examples], device=model.device)
    own = model.config.sampling
    strengths = torch.tensor([strength(rng, own.guidance) for _ in examples], device=model.device)
    seen = rng.choice((1.0, own.foreground_strength))  # as in a round, or as drawn
    before = noisy(targets, noise, model)
    with pretraining_precision(model.device):
        return guidance_loss(model, teacher, briefs, before, strengths, seen)


def strength(rng: random.Random, own: float) -> float:
    """One that may be asked for, often near the base's ``own``."""
    if rng.random() < _AS_DRAWN:
        return max(1.0, own * math.exp(rng.uniform(-0.4, 0.4)))
    return math.exp(rng.uniform(0.0, math.log(STRONGEST)))
