"""`adloom base train`: a base learns from a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail_if, problems
from adloom.loop.commands.printing import AsJson, print_fields
from adloom.loop.commands.stopping import stop_told
from adloom.loop.progress import steps_told
from adloom.loop.settings.out_folder import unwritable_folder
from adloom.models.folders import no_base, no_shards
from adloom.models.settings import MOST_ALPHA, MOST_RANK
from adloom.models.training.base.plan import MOST_ADS

if TYPE_CHECKING:
    from adloom.loop.bases.training.run import Telling
    from adloom.models.training.learning_curve import LearningCurve

app = typer.Typer()
_console = Console()


class Stage(StrEnum):
    """Of Uni-AdGen's training."""

    general = "general"
    personal = "personal"


class Precision(StrEnum):
    """Of products; losses, norms and what is trained are float32."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


@app.command()
def train(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Shards, as `adloom base encode` writes them.")],
    base: Annotated[Path, typer.Option(help="The base that begins, as `base build` writes it.")],
    stage: Annotated[
        Stage, typer.Option(help="Without histories, or with them: general comes first.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the trained base.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")] = 20_000,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_ADS, help="Ads a process has in memory.")
    ] = 4,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches of a step.")] = 1,
    rank: Annotated[int, typer.Option(min=1, max=MOST_RANK, help="Of LoRA.")] = 16,
    alpha: Annotated[int, typer.Option(min=1, max=MOST_ALPHA, help="Of LoRA.")] = 32,
    lora_rate: Annotated[float, typer.Option(min=1e-9, help="Learning rate of LoRA.")] = 5e-5,
    module_rate: Annotated[
        float, typer.Option(min=1e-9, help="Of the modules that start untrained.")
    ] = 3e-4,
    dinov2_rate: Annotated[float, typer.Option(min=0, help="Of DINOv2.")] = 1e-5,
    freeze_dinov2: Annotated[
        bool, typer.Option("--freeze-dinov2", help="DINOv2 stays as it is.")
    ] = False,
    head_rate: Annotated[
        float, typer.Option(min=0, help="Of the head that draws codes; 0 = frozen.")
    ] = 0.0,
    warm_up: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps.")] = 0.03,
    clip: Annotated[float, typer.Option(min=1e-6, help="Norm of the gradient at most.")] = 1.0,
    ema: Annotated[
        float, typer.Option(min=0, max=0.99999, help="Decay of averaged weights; 0 = the last.")
    ] = 0.0,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Activations are computed twice, not kept.")
    ] = False,
    precision: Annotated[
        Precision, typer.Option(help="Of products; auto: bfloat16 where it is fast.")
    ] = Precision.auto,
    heldout: Annotated[int, typer.Option(min=1, help="Held-out ads that are looked at.")] = 128,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Steps between looks.")] = 500,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps a kill may cost.")] = 200,
    samples: Annotated[int, typer.Option(min=0, help="Ads drawn at each look.")] = 4,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Another seed, another order.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a base on a data set; run the same command again to go on after a stop.

    OUT is a base once it is finished: use it with generator.path, with `evaluate`, or with the next
    stage. On several GPUs: torchrun --no-python --nproc-per-node N adloom base train ...; with
    weights shared out (FSDP), by layers of the language model unless --fsdp_auto_wrap_policy says
    otherwise: accelerate launch --no_python --use_fsdp --fsdp_version 2 ...
    """
    fail_if(no_shards(data), no_base(base), unwritable_folder(out))
    from adloom.loop import home
    from adloom.loop.bases.training.order import CannotTrain, TrainingOrder
    from adloom.loop.bases.training.processes import joined
    from adloom.loop.bases.training.run import run_training
    from adloom.models.datasets.shards import BadShards
    from adloom.models.training.base.plan import BasePlan

    plan = BasePlan(
        stage=stage.value,
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        rank=rank,
        alpha=alpha,
        lora_rate=lora_rate,
        module_rate=module_rate,
        dinov2_rate=0.0 if freeze_dinov2 else dinov2_rate,
        head_rate=head_rate,
        warm_up=warm_up,
        clip=clip,
        ema=ema,
        checkpointing=checkpointing,
        precision=precision.value,
        heldout=heldout,
        evaluate_every=evaluate_every,
        checkpoint_every=checkpoint_every,
        samples=samples,
        seed=seed,
    )
    with errors_told(CannotTrain, BadShards):
        accelerator = joined()
        registry = home.open_registry(context.obj)
        with _told(steps, accelerator.is_main_process, out) as telling:
            order = TrainingOrder.of(base, data, plan, accelerator.num_processes)
            curve = run_training(order, out, accelerator, lambda: registry.runs, telling)
    if accelerator.is_main_process:
        _print(out, curve, as_json)


@contextmanager
def _told(steps: int, speaks: bool, out: Path) -> Iterator[Telling]:
    from adloom.loop.bases.training.run import Telling

    if not speaks:
        yield Telling(lambda text: None, lambda step, loss: None)
        return
    with (
        stop_told(lambda: _kept(out)),
        steps_told(problems, "Training", steps) as (_, on_step),
    ):
        yield Telling(
            lambda text: problems.print(text, markup=False, highlight=False, soft_wrap=True),
            on_step,
        )


def _kept(out: Path) -> str:
    from adloom.loop.bases.training.order import TRAINING
    from adloom.models.training.checkpoint import saved_step
    from adloom.models.training.trainer import STATE

    if step := saved_step(out / TRAINING / STATE):
        return f"The same command goes on from step {step:,}"
    return "It was before its first checkpoint (--checkpoint-every): the same command begins anew"


def _print(out: Path, curve: LearningCurve, as_json: bool) -> None:
    told = {
        "base": str(out),
        "steps": len(curve.losses),
        "loss": curve.losses[-1],
        "heldout": curve.heldout,
        "best_step": curve.best_step,
    }
    if as_json:
        import json

        print(json.dumps(told, indent=2))
        return
    (first, before), (last, after) = curve.heldout[0], curve.heldout[-1]
    best = dict(curve.heldout)[curve.best_step]
    fields = {
        "Base": f"{out}: use it with generator.path in adloom.toml",
        "Steps": f"{len(curve.losses):,}",
        "Held-out loss": f"{before:.4f} after step {first:,}, {after:.4f} after step {last:,}, "
        f"at best {best:.4f} after step {curve.best_step:,}",
    }
    print_fields(_console, fields)
