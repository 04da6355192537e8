"""`adloom evaluate`, and `adloom pretrain-pbs` for the encoder that it measures with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, problems

app = typer.Typer()
console = Console()


@app.command("pretrain-pbs")
def pretrain_pbs_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the weights.")] = Path(
        "adloom-pbs"
    ),
) -> None:
    """Train the background encoder of `evaluate`; run it again to go on after a stop."""
    from adloom.loop import home
    from adloom.loop.demo.pretraining.background import pretrain_pbs

    home.open_registry(context.obj).track()
    weights = pretrain_pbs(out)
    console.print(f"The encoder is in {weights}; use it with: adloom evaluate --pbs {weights}")


@app.command()
def evaluate(
    context: typer.Context,
    shoppers: Annotated[int, typer.Option(min=2, help="Held-out shoppers.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other shoppers.")] = 0,
    sheet: Annotated[Path, typer.Option(help="Contact sheet (PNG) to write.")] = Path(
        "adloom-evaluation.png"
    ),
    pbs: Annotated[
        Path | None,
        typer.Option(
            help="Weights of another encoder: of pretrain-pbs, or a checkpoint of MoCo v3 "
            "(.pth, .pth.tar, .pt, .safetensors)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Measure personalisation on shoppers and products that no training saw."""
    from adloom.loop.evaluation import evaluate as evaluation
    from adloom.models.quality.background import BadEncoder

    plan = evaluation.EvaluationPlan(shoppers=shoppers, seed=seed)
    with errors_told(BadEncoder):
        scores = evaluation.run_evaluation(context.obj, plan, sheet, pbs, problems)
    if as_json:
        print(evaluation.as_json(scores))
        return
    console.print(*evaluation.score_tables(scores), f"The contact sheet is {sheet}", sep="\n\n")
