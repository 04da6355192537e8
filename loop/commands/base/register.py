"""`adloom base register`: a base begins a lineage of versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import fail_if, problems
from adloom.models.folders import no_base

app = typer.Typer()
_console = Console()


@app.command()
def register(
    context: typer.Context,
    base: Annotated[Path, typer.Argument(help="Folder of a base.")],
    name: Annotated[
        str | None, typer.Option(help="Of the model in MLflow; left out: mlflow.model_name.")
    ] = None,
) -> None:
    """Register a base as version 1 of a model of its own: rounds of clicks go on from it."""
    fail_if(no_base(base))
    from adloom.loop import home
    from adloom.loop.bases.lineage import TRAINED_ELSEWHERE, register_base

    settings = context.obj
    model = name or settings.mlflow.model_name
    tracked = settings.mlflow.model_copy(update={"model_name": model})
    registry = home.open_registry(settings.model_copy(update={"mlflow": tracked}))
    version = register_base(base, registry, model, settings.generator)
    if run := version.tags.get(TRAINED_ELSEWHERE):
        problems.print(
            f"It was trained by the run {run}, which this MLflow does not have: losses and "
            "pictures of its training are not with the version",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    _console.print(
        f"Version {version.number} of {model} is {base}. Serve it, and learn from clicks on its "
        f'ads, with generator.path = "{base.resolve()}" and mlflow.model_name = "{model}".',
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
