"""`adloom pretrain`: the bundled demo model, from nothing, on the demo shop's own ads.

Four stages, each resumable: the codebook (pictures to image tokens and back), the generator
(history and product in, title and picture out), the decoder once more, and what enlarges its
pictures, for sharp ones. `--continue` takes a base that has been through them and lets its
generator learn on, with `--sharpen` what decodes and enlarges, or with `--guide` to be guided
without twins. Products and tastes that
`adloom.loop.demo.shop.splits` keeps for evaluation are left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import Progress

from adloom.loop.catalogue.histories.reading import HistoryReader
from adloom.loop.demo.pretraining.ads import Pool, render_pool
from adloom.loop.demo.pretraining.codebook import pool_codes, train_codebook, train_decoder
from adloom.loop.demo.pretraining.crowds import draw_crowds
from adloom.loop.demo.pretraining.enlarging import train_enlarger
from adloom.loop.demo.pretraining.generator import (
    ENLARGED,
    embed_codes_as_seen,
    new_model,
    train_generator,
)
from adloom.loop.demo.pretraining.guiding import train_guidance
from adloom.loop.demo.pretraining.plan import PretrainPlan
from adloom.loop.demo.pretraining.run import training_run
from adloom.loop.demo.pretraining.shoppers import TrainingShoppers
from adloom.loop.demo.shop.scenes import PALETTES, SCENES
from adloom.loop.demo.shop.splits import training_products
from adloom.models.config import AdGeneratorConfig
from adloom.models.enlarger import enlarger_of
from adloom.models.generator import AdModel
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.training.data_parallel import join_world, rank, wait_for_all, world_size


def pretrain(out: Path, plan: PretrainPlan | None = None) -> None:
    """Train codebook, generator, decoder and enlarger; write the model to ``out/model``.

    Progress is kept in ``out`` every ``plan.checkpoint_every`` steps: run the same command
    again after a stop. Losses go to the MLflow run in progress or a new one. Started by
    torchrun, the first process trains the codebook and all train the generator together.
    """
    plan = plan or PretrainPlan()
    join_world()
    model = new_model(plan.seed)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    with training_run("pretrain", vars(plan)) as progress:
        pool = _rendered(plan, model.config, progress)
        codes = _codebook_stage(model, pool, plan, out, progress)
        embed_codes_as_seen(model)
        shoppers = _shoppers(model, pool, codes, plan, progress)
        train_generator(model, shoppers, plan, out / "generator.safetensors", progress)
        if rank() == 0:
            train_decoder(model, pool, codes[0], plan, out, progress)
            train_enlarger(model, pool, codes[0], plan, out, progress)
    if rank() == 0:
        _save(model, out)
    wait_for_all()


def go_on(base: Path, out: Path, plan: PretrainPlan) -> None:
    """Let the generator of ``base`` learn on; its codebook and decoder stay.

    ``out/model`` is what was last kept, a whole base each time. As :func:`pretrain` it goes on
    after a stop.

    Raises:
        FileNotFoundError: ``base`` holds no saved generator.
        DamagedBase: it is not whole.
    """
    _learn_on(base, out, plan, train_generator, "going-on")


def guide(base: Path, out: Path, plan: PretrainPlan) -> None:
    """Let ``base`` learn to be guided without a twin, to what its twins guide it to now.

    Otherwise as :func:`go_on`, errors too.
    """
    _learn_on(base, out, plan, train_guidance, "guiding")


def _learn_on(
    base: Path, out: Path, plan: PretrainPlan, stage: Callable[..., None], name: str
) -> None:
    join_world()
    model = AdModel.from_pretrained(base)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    with training_run(f"pretrain {name}", vars(plan) | {"base": str(base)}) as progress:
        pool = _rendered(plan, model.config, progress)
        if rank() == 0:
            pool_codes(model, pool, out, progress)
        wait_for_all()
        codes = pool_codes(model, pool, out, progress)
        shoppers = _shoppers(model, pool, codes, plan, progress)
        state = out / f"{name}.safetensors"
        stage(model, shoppers, plan, state, progress, lambda: _save(model, out))
    wait_for_all()


def sharpen(base: Path, out: Path, plan: PretrainPlan) -> None:
    """Let the decoder of ``base`` learn on, and what enlarges its pictures; all else stays.

    A base that has nothing to enlarge with gets it once its decoder has learnt on alone. As
    :func:`pretrain` it goes on after a stop. ``out/model`` is written at the end.

    Raises:
        FileNotFoundError: ``base`` holds no saved generator.
        DamagedBase: it is not whole.
    """
    model = AdModel.from_pretrained(base)
    enlarges = model.enlarger is not None
    if not enlarges:
        model.config = model.config.model_copy(update={"enlarged": ENLARGED})
        model.enlarger = enlarger_of(model.janus.model.vqmodel, ENLARGED)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    with training_run("pretrain --sharpen", vars(plan) | {"base": str(base)}) as progress:
        pool = _rendered(plan, model.config, progress)
        plates, _ = pool_codes(model, pool, out, progress)
        if not enlarges:
            train_decoder(model, pool, plates, plan, out, progress)
        train_enlarger(model, pool, plates, plan, out, progress)
        _save(model, out)


def _save(model: AdModel, out: Path) -> None:
    """Half precision: the weights are committed, and float16 keeps all the digits they need."""
    partial = out / "model.partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, dtype=torch.float16)
    shutil.rmtree(out / "model", ignore_errors=True)
    partial.rename(out / "model")


def _shoppers(
    model: AdModel,
    pool: Pool,
    codes: tuple[torch.Tensor, torch.Tensor],
    plan: PretrainPlan,
    progress: Progress,
) -> TrainingShoppers:
    task = progress.add_task("Gathering crowds", total=plan.crowds, note="")
    crowd = draw_crowds(plan.crowds, plan.shoppers, plan.seed, lambda: progress.advance(task))
    pictures = PictureEncoder(model.janus.model.vqmodel, model.config)
    reader = HistoryReader(pictures.code_vectors)
    return TrainingShoppers(pool.styles, pool.products, *codes, reader, crowd)


def _codebook_stage(
    model: AdModel, pool: Pool, plan: PretrainPlan, out: Path, progress: Progress
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of plates and ads; the first process makes them, the others find them made."""
    threads = torch.get_num_threads()
    if rank() == 0:
        torch.set_num_threads(threads * world_size())
        train_codebook(model, pool, plan, out, progress)
        pool_codes(model, pool, out, progress)
        torch.set_num_threads(threads)
    wait_for_all()
    if rank() > 0:
        train_codebook(model, pool, plan, out, progress)
    return pool_codes(model, pool, out, progress)


def _rendered(plan: PretrainPlan, config: AdGeneratorConfig, progress: Progress) -> Pool:
    total = len(SCENES) * len(PALETTES) * plan.variants
    task = progress.add_task("Rendering the shop's ads", total=total, note="")
    return render_pool(
        training_products(),
        plan.variants,
        config.picture_size,
        plan.seed,
        lambda: progress.advance(task),
    )
