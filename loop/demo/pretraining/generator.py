"""Second stage: history and product in, title and picture out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mlflow
import torch
from rich.progress import Progress
from torch.nn import Parameter
from transformers import JanusForConditionalGeneration

from adloom.loop.demo.pretraining.disguise import general_words
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
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.data_parallel import average_gradients, rank, world_size
from adloom.models.training.example_loss import example_loss
from adloom.models.training.schedule import rate_share

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


@dataclass(frozen=True)
class _Optimizers:
    """Muon (arXiv 2502.16982) for the matrices of the layers, AdamW for all else."""

    muon: torch.optim.Muon
    adamw: torch.optim.AdamW

    @classmethod
    def over(cls, parameters: dict[str, Parameter], rate: float) -> _Optimizers:
        matrices = [p for name, p in parameters.items() if ".layers." in name and p.dim() == 2]
        chosen = {id(p) for p in matrices}
        rest = [p for p in parameters.values() if id(p) not in chosen]
        return cls(
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.01),
        )

    def both(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        return self.muon, self.adamw

    def step(self, rate: float) -> None:
        for optimizer in self.both():
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()


def train_generator(
    model: AdModel,
    shoppers: TrainingShoppers,
    plan: PretrainPlan,
    state: Path,
    progress: Progress,
    on_kept: Callable[[], None] = lambda: None,
) -> None:
    """Train all but the codebook for ``plan.generator_steps``, from where the file ``state`` says.

    In a world of several processes each draws its own examples, and all take the same steps; the
    first calls ``on_kept`` whenever the state was kept.
    """
    parameters = {n: p for n, p in model.named_parameters() if not n.startswith(_ELSEWHERE)}
    optimizers = _Optimizers.over(parameters, plan.generator_rate)
    start = load_state(state, parameters, optimizers.both())
    task = progress.add_task(
        "Training the generator", total=plan.generator_steps, completed=start, note=""
    )
    generator = AdGenerator(model)
    model.train()
    model.janus.model.vqmodel.eval()
    for step in range(start + 1, plan.generator_steps + 1):
        rng = random.Random(f"{plan.seed}/{step}/{rank()} of {world_size()}")
        torch.manual_seed(rng.getrandbits(62))
        loss = _lesson_loss(generator, shoppers, plan, plan.lesson(step), rng)
        model.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(list(parameters.values()))
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizers.step(plan.generator_rate * rate_share(step, plan.generator_steps))
        if rank() == 0 and step % 10 == 0:
            mlflow.log_metric("generator_loss", loss.item(), step=step)
        if rank() == 0 and (step % plan.checkpoint_every == 0 or step == plan.generator_steps):
            save_state(state, parameters, optimizers.both(), step)
            on_kept()
        progress.update(task, completed=step, note=f"loss {loss.item():.3f}")
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
    length = rng.choice(lesson.history_lengths)
    examples: list[Example] = [
        shoppers.example(rng, length, lesson.stray_clicks, lesson.of_crowds, lesson.follow)
        for _ in range(plan.generator_batch)
    ]
    unconditional = torch.tensor(
        [rng.random() < model.config.condition_dropout for _ in examples], device=model.device
    )
    noise = torch.tensor([_noise(lesson, rng) for _ in examples], device=model.device)
    with pretraining_precision(model.device):
        return example_loss(generator, examples, unconditional, noise, lesson.keep)


def _noise(lesson: Lesson, rng: random.Random) -> float:
    """Share of an example's tokens that are random where they are context."""
    if rng.random() < lesson.blind:
        return 1.0
    return rng.random() if rng.random() < 0.5 else 0.0
