"""`adloom pretrain`: the bundled demo model, from nothing, on the demo shop's own ads.

Two stages, each resumable: the codebook (pictures to image tokens and back), then the
generator (history and product in, title and picture out).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from transformers import JanusForConditionalGeneration

from loop.pretrain_shoppers import TwoLookShoppers
from loop.shop.catalog import Product, load_catalog
from loop.shop.copywriting import TONES, write_title
from loop.shop.scenes import PALETTES, SCENES, render_scene
from loop.shop.splits import training_products
from loop.training_run import rate_share, training_run
from models import codebook
from models.ad_generator import AdGenerator
from models.batching import instruction
from models.brief import AdBrief, Example, HistoryAd
from models.checkpoint import load_state, save_state
from models.codebook_training import CodebookTrainer, batches
from models.compose import cast_shadow, compose_ad
from models.config import AdGeneratorConfig, demo_janus_config
from models.fine_tune import example_loss
from models.generator import AdModel
from models.tokenizer import train_tokenizer

TREND_SHARE = 0.01
"""How often the trend scene and the trend tone are met: the base rarely draws them."""
NOISY_SHARE = 0.7
"""Share of the examples whose tokens are predicted after partly random ones."""
HISTORY_LENGTHS = (1, 2, 3, 4, 6, 10)


@dataclass(frozen=True)
class PretrainPlan:
    """Size of a pretraining run; the defaults are those of the committed weights.

    With ``hold_out`` the products and tastes that `loop.shop.splits` keeps for evaluation are
    left out, and shoppers are those of `loop.pretrain_shoppers`.
    """

    variants: int = 32
    codebook_steps: int = 2000
    codebook_warm_up: int = 600
    codebook_batch: int = 4
    codebook_rate: float = 4e-4
    generator_steps: int = 7000
    generator_batch: int = 8
    generator_rate: float = 1e-3
    checkpoint_every: int = 100
    seed: int = 0
    hold_out: bool = False


@dataclass(frozen=True)
class Pool:
    """Rendered ads of the shop.

    ``plates`` and ``ads`` are uint8 ``(n, 3, size, size)``: the scene with the product's
    shadow (what the generator learns to draw) and the finished ad (what a history shows).
    ``styles`` gives scene and palette, ``products`` the product of each.
    """

    plates: NDArray[np.uint8]
    ads: NDArray[np.uint8]
    styles: list[tuple[str, str]]
    products: list[Product]


def render_pool(
    products: Sequence[Product],
    variants: int,
    size: int,
    seed: int,
    on_picture: Callable[[], None],
) -> Pool:
    """Render ``variants`` ads of each scene and palette, of random ``products``."""
    rng = random.Random(seed)
    cutouts = {p.product_id: p.cutout() for p in products}
    plates, ads, styles, chosen = [], [], [], []
    for scene in SCENES:
        for palette in PALETTES:
            for variant in range(variants):
                product = rng.choice(products)
                cutout = cutouts[product.product_id]
                backdrop = render_scene(scene, palette, seed=seed * 100_000 + variant, size=size)
                plates.append(np.asarray(cast_shadow(backdrop, cutout, depth=0.06)))
                ads.append(np.asarray(compose_ad(backdrop, cutout, size=size)))
                styles.append((scene, palette))
                chosen.append(product)
                on_picture()
    return Pool(
        np.stack(plates).transpose(0, 3, 1, 2), np.stack(ads).transpose(0, 3, 1, 2), styles, chosen
    )


class Shoppers:
    """Draws training examples: a shopper with one taste, a history, the ad they would like."""

    def __init__(self, pool: Pool, plate_codes: torch.Tensor, ad_codes: torch.Tensor) -> None:
        self.pool = pool
        self.plate_codes = plate_codes.numpy().astype(np.int16)
        self.ad_codes = ad_codes.numpy().astype(np.int16)
        self.by_style: dict[tuple[str, str], list[int]] = {}
        for index, style in enumerate(pool.styles):
            self.by_style.setdefault(style, []).append(index)

    def example(self, rng: random.Random, history_length: int) -> Example:
        """One shopper's example with a history of ``history_length`` clicked ads."""
        scene, palette, tone = _scene(rng), rng.choice(PALETTES), _tone(rng)
        noise = rng.uniform(0.0, 0.35)

        def liked(favourite: str, other: Callable[[random.Random], str]) -> str:
            return other(rng) if rng.random() < noise else favourite

        history: list[HistoryAd] = []
        for _ in range(history_length):
            style = liked(scene, _scene), liked(palette, lambda r: r.choice(PALETTES))
            index = rng.choice(self.by_style[style])
            title = write_title(self.pool.products[index], liked(tone, _tone), rng=rng)
            history.append(HistoryAd(title, self.ad_codes[index]))
        target = rng.choice(self.by_style[(scene, palette)])
        product = self.pool.products[target]
        title = write_title(product, tone, rng=rng)
        if rng.random() < 0.1:
            history = []
        brief = AdBrief(product.name, product.selling_points, product.cutout(), tuple(history))
        return Example(brief, title, self.plate_codes[target])


def _scene(rng: random.Random) -> str:
    return SCENES[-1] if rng.random() < TREND_SHARE else rng.choice(SCENES[:-1])


def _tone(rng: random.Random) -> str:
    return TONES[-1] if rng.random() < TREND_SHARE else rng.choice(TONES[:-1])


def new_model(seed: int) -> AdModel:
    """An untrained demo model with a tokenizer trained on the shop's titles."""
    rng = random.Random(seed)
    products = list(load_catalog().values())
    titles = [write_title(p, tone, rng=rng) for p in products for tone in TONES for _ in range(6)]
    prompts = [instruction(AdBrief(p.name, p.selling_points, p.cutout())) for p in products]
    tokenizer = train_tokenizer([*titles, *prompts])
    config = AdGeneratorConfig()
    torch.manual_seed(seed)
    janus = JanusForConditionalGeneration(demo_janus_config(len(tokenizer), config))
    return AdModel(janus, tokenizer, config)


def pretrain(out: Path, plan: PretrainPlan | None = None) -> None:
    """Train codebook and generator; write the model to ``out/model``.

    Progress is kept in ``out`` every ``plan.checkpoint_every`` steps: run the same command
    again after a stop. Losses go to the MLflow run in progress or a new one.
    """
    plan = plan or PretrainPlan()
    model = new_model(plan.seed)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    with training_run("pretrain", vars(plan)) as progress:
        pool = _rendered(plan, model.config, progress)
        _train_codebook(model, pool, plan, out, progress)
        _train_generator(model, pool, plan, out, progress)
    # Half precision: the weights are committed, and float16 keeps all the digits they need.
    model.save_pretrained(out / "model", dtype=torch.float16)


def _rendered(plan: PretrainPlan, config: AdGeneratorConfig, progress: Progress) -> Pool:
    total = len(SCENES) * len(PALETTES) * plan.variants
    task = progress.add_task("Rendering the shop's ads", total=total, note="")
    products = training_products() if plan.hold_out else tuple(load_catalog().values())
    return render_pool(
        products, plan.variants, config.picture_size, plan.seed, lambda: progress.advance(task)
    )


def _train_codebook(
    model: AdModel, pool: Pool, plan: PretrainPlan, out: Path, progress: Progress
) -> None:
    vq = model.janus.model.vqmodel
    trainer = CodebookTrainer(
        vq,
        learning_rate=plan.codebook_rate,
        steps=plan.codebook_steps,
        warm_up=plan.codebook_warm_up,
        seed=plan.seed,
    )
    state = out / "codebook.safetensors"
    trainer.resume_at(load_state(state, dict(vq.named_parameters()), trainer.optimizer))
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
            save_state(state, dict(vq.named_parameters()), trainer.optimizer, trainer.step)
        note = f"loss {loss:.3f}, {trainer.codes_in_use} codes"
        progress.update(task, completed=trainer.step, note=note)
    vq.eval().requires_grad_(False)


def _train_generator(
    model: AdModel, pool: Pool, plan: PretrainPlan, out: Path, progress: Progress
) -> None:
    plates, ads = (_codes(model, pictures) for pictures in (pool.plates, pool.ads))
    shoppers: Shoppers | TwoLookShoppers = Shoppers(pool, plates, ads)
    if plan.hold_out:
        shoppers = TwoLookShoppers(pool.styles, pool.products, plates, ads)
    model.train()
    model.janus.model.vqmodel.eval()
    parameters = {n: p for n, p in model.named_parameters() if "vqmodel" not in n}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=plan.generator_rate, betas=(0.9, 0.95), weight_decay=0.05
    )
    state = out / "generator.safetensors"
    start = load_state(state, parameters, optimizer)
    task = progress.add_task(
        "Training the generator", total=plan.generator_steps, completed=start, note=""
    )
    generator = AdGenerator(model)
    model.train()
    for step in range(start + 1, plan.generator_steps + 1):
        rng = random.Random(plan.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = plan.generator_rate * rate_share(step, plan.generator_steps)
        length = rng.choice(HISTORY_LENGTHS)
        examples = [shoppers.example(rng, length) for _ in range(plan.generator_batch)]
        unconditional = torch.tensor(
            [rng.random() < model.config.condition_dropout for _ in examples], device=model.device
        )
        noise = torch.tensor(
            [rng.random() if rng.random() < NOISY_SHARE else 0.0 for _ in examples],
            device=model.device,
        )
        with torch.autocast(model.device.type, torch.bfloat16):
            loss = example_loss(generator, examples, unconditional, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        if step % 10 == 0:
            mlflow.log_metric("generator_loss", loss.item(), step=step)
        if step % plan.checkpoint_every == 0 or step == plan.generator_steps:
            save_state(state, parameters, optimizer, step)
        progress.update(task, completed=step, note=f"loss {loss.item():.3f}")
    model.eval()


def _codes(model: AdModel, pictures: NDArray[np.uint8]) -> torch.Tensor:
    pixels = torch.from_numpy(pictures)
    return torch.cat(
        [
            codebook.encode(model.janus.model.vqmodel, part.float() / 127.5 - 1.0).cpu()
            for part in pixels.split(64)
        ]
    )
