"""`adloom pretrain-pbs`: the background encoder, from nothing, on the demo shop's scenes.

Two ads with one backdrop and different products belong together, all others of the batch do
not (Uni-AdGen, section 4.1).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import torch
from PIL import Image
from rich.progress import Progress

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.pretraining.run import training_run
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.loop.demo.shop.splits import training_products
from adloom.models.codebook import to_pixels
from adloom.models.compose import compose_ad
from adloom.models.quality.background import PICTURE_SIZE, BackgroundEncoder, contrastive_loss
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.schedule import rate_share

WEIGHTS_FILE = "pbs.safetensors"


@dataclass(frozen=True)
class PbsPlan:
    """Size of a run; the defaults are those of the bundled weights."""

    variants: int = 32
    steps: int = 1500
    batch: int = 64
    rate: float = 1e-3
    checkpoint_every: int = 100
    seed: int = 0


def pretrain_pbs(out: Path, plan: PbsPlan | None = None) -> Path:
    """Train the encoder; returns the file in ``out`` that holds its weights.

    Progress is kept in ``out`` every ``plan.checkpoint_every`` steps: run the same command
    again after a stop. Losses go to the MLflow run in progress or a new one. Held-out products
    and backdrops are never seen.
    """
    plan = plan or PbsPlan()
    torch.manual_seed(plan.seed)
    encoder = BackgroundEncoder()
    with training_run("pretrain-pbs", vars(plan)) as progress:
        backdrops, products = _backdrops(plan, progress), training_products()

        def pairs(rng: random.Random) -> list[Image.Image]:
            return paired_ads(backdrops, products, plan.batch, rng)

        train_encoder(encoder, pairs, plan, out / "pbs-state.safetensors", progress)
    encoder.save_pretrained(out / WEIGHTS_FILE)
    return out / WEIGHTS_FILE


def _backdrops(plan: PbsPlan, progress: Progress) -> list[Image.Image]:
    looks = [(scene, palette) for scene in SCENES for palette in PALETTES]
    total = plan.variants * len(looks)
    task = progress.add_task("Rendering backdrops", total=total, note="")
    backdrops = []
    for scene, palette in looks:
        for variant in range(plan.variants):
            seed = plan.seed * 100_000 + variant
            backdrops.append(render_scene(scene, palette, seed=seed, size=PICTURE_SIZE))
            progress.advance(task)
    return backdrops


def train_encoder(
    encoder: BackgroundEncoder,
    pairs: Callable[[random.Random], list[Image.Image]],
    plan: PbsPlan,
    state: Path,
    progress: Progress,
) -> None:
    """Train on pairs, going on from the file ``state`` where there is one.

    ``pairs`` makes ``2 n`` pictures of a step: number i and number ``n + i`` have one scene, all
    others have another.
    """
    parameters = dict(encoder.named_parameters())
    optimizer = torch.optim.AdamW(parameters.values(), lr=plan.rate, weight_decay=0.01)
    start = load_state(state, parameters, [optimizer])
    task = progress.add_task(
        "Training the background encoder", total=plan.steps, completed=start, note=""
    )
    for step in range(start + 1, plan.steps + 1):
        rng = random.Random(plan.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * rate_share(step, plan.steps)
        pixels = to_pixels(pairs(rng), PICTURE_SIZE)
        loss = contrastive_loss(*encoder(pixels).chunk(2))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            mlflow.log_metric("pbs_loss", loss.item(), step=step)
        if step % plan.checkpoint_every == 0 or step == plan.steps:
            save_state(state, parameters, [optimizer], step)
        progress.update(task, completed=step, note=f"loss {loss.item():.3f}")
    encoder.eval()


def paired_ads(
    backdrops: Sequence[Image.Image], products: Sequence[Product], n: int, rng: random.Random
) -> list[Image.Image]:
    """``2 n`` ads: number i and number ``n + i`` have one backdrop and different products."""
    chosen = rng.sample(range(len(backdrops)), n)
    pairs = [rng.sample(products, 2) for _ in chosen]
    return [
        softened(compose_ad(backdrops[index], pair[side].cutout(), size=PICTURE_SIZE), rng)
        for side in (0, 1)
        for index, pair in zip(chosen, pairs, strict=True)
    ]


def softened(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A picture as soft as a generator may draw it: sharpness must not tell ads apart."""
    coarse = rng.randint(PICTURE_SIZE // 2, PICTURE_SIZE)
    small = picture.resize((coarse, coarse), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BICUBIC)
