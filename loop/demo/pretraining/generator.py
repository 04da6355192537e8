"""Second stage: history and product in, title and picture out."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from rich.progress import Progress
from transformers import JanusForConditionalGeneration

from adloom.loop.demo.pretraining.disguise import general_words
from adloom.loop.demo.pretraining.learning import learn
from adloom.loop.demo.pretraining.plan import Lesson, PretrainPlan
from adloom.loop.demo.pretraining.shoppers import TrainingShoppers
from adloom.loop.demo.shop.copywriting import TONES, write_title
from adloom.loop.demo.shop.splits import training_products
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, Example
from adloom.models.config import AdGeneratorConfig, demo_janus_config
from adloom.models.generator import AdModel
from adloom.models.precision import pretraining_precision
from adloom.models.prompts.instructions import instruction
from adloom.models.tokenizer import train_tokenizer
from adloom.models.training.example_loss import example_loss

_ELSEWHERE = ("janus.model.vqmodel", "enlarger", "janus.model.vision_model", "janus.model.aligner")
"""Parts that this stage does not train: codebook, decoder, and what reads pictures as text."""
ENLARGED: Literal[4] = 4
"""How much larger than it is decoded a picture is shown."""


def new_model(seed: int) -> AdModel:
    """An untrained demo model with a tokenizer trained on the shop's titles."""
    rng = random.Random(seed)
    products = training_products()
    titles = [write_title(p, tone, rng=rng) for p in products for tone in TONES for _ in range(6)]
    prompts = [instruction(AdBrief(p.name, p.selling_points, p.cutout())) for p in products]
    tokenizer = train_tokenizer([*titles, *prompts, *general_words()])
    config = AdGeneratorConfig(enlarged=ENLARGED)
    torch.manual_seed(seed)
    janus = JanusForConditionalGeneration(demo_janus_config(len(tokenizer), config))
    return AdModel(janus, tokenizer, config)


@torch.no_grad()
def embed_codes_as_seen(model: AdModel) -> None:
    """Start the embeddings of image codes from what the trained codebook says of them.

    Codes that look alike then mean nearly the same from the first step on.
    """
    seen = F.normalize(model.janus.model.vqmodel.quantize.embedding.weight, dim=-1)
    model.janus.model.generation_embeddings.weight.copy_(seen)


def train_generator(
    model: AdModel,
    shoppers: TrainingShoppers,
    plan: PretrainPlan,
    state: Path,
    progress: Progress,
    on_kept: Callable[[], None] = lambda: None,
) -> None:
    """Train all but the codebook: see :func:`adloom.loop.demo.pretraining.learning.learn`."""
    parameters = {n: p for n, p in model.named_parameters() if not n.startswith(_ELSEWHERE)}
    generator = AdGenerator(model)

    def loss_of(step: int, rng: random.Random) -> torch.Tensor:
        return _lesson_loss(generator, shoppers, plan, plan.lesson(step), rng)

    model.train()
    model.janus.model.vqmodel.eval()
    learn(
        parameters,
        loss_of,
        plan,
        state,
        progress,
        doing="Training the generator",
        metric="generator_loss",
        on_kept=on_kept,
    )
    model.eval()


def _lesson_loss(
    generator: AdGenerator,
    shoppers: TrainingShoppers,
    plan: PretrainPlan,
    lesson: Lesson,
    rng: random.Random,
) -> torch.Tensor:
    """Loss of a batch of examples as the lesson wants them."""
    model = generator.model
    examples = examples_of(lesson, shoppers, plan.generator_batch, rng)
    unconditional = torch.tensor(
        [rng.random() < model.config.condition_dropout for _ in examples], device=model.device
    )
    noise = torch.tensor([noise_of(lesson, rng) for _ in examples], device=model.device)
    with pretraining_precision(model.device):
        return example_loss(generator, examples, unconditional, noise, lesson.keep)


def examples_of(
    lesson: Lesson, shoppers: TrainingShoppers, count: int, rng: random.Random
) -> list[Example]:
    """Examples as the lesson wants them, with histories of one length."""
    length = rng.choice(lesson.history_lengths)
    return [
        shoppers.example(rng, length, lesson.stray_clicks, lesson.of_crowds, lesson.follow)
        for _ in range(count)
    ]


def noise_of(lesson: Lesson, rng: random.Random) -> float:
    """Share of an example's tokens that are random where they are context."""
    if rng.random() < lesson.blind:
        return 1.0
    return rng.random() if rng.random() < 0.5 else 0.0
