"""`adloom adapter`: what versions learned, as folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.stopping import BEGINS_ANEW, stop_told
from adloom.loop.settings.out_folder import taken
from adloom.models.folders import no_adapter, no_base

app = typer.Typer(no_args_is_help=True, help="What versions learned from clicks.")
_console = Console()


@app.callback()
def _group() -> None:
    """Keeps `merge` a command of its own name."""


@app.command()
def merge(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the base to write, not there yet.")],
    version: Annotated[int | None, typer.Option(min=1, help="A registered version.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="Or a folder with an adapter.")] = None,
    base: Annotated[
        Path | None, typer.Option(help="Its base; left out: generator.path, or the bundled one.")
    ] = None,
    leave_trends: Annotated[
        bool, typer.Option("--leave-trends", help="Leave out trends, which no base can hold.")
    ] = False,
) -> None:
    """Fold an adapter into its base: OUT draws the ads that both drew, and can be trained on."""
    if (version is None) == (adapter is None):
        fail("give --version N, or --adapter FOLDER")
    of_base = base or context.obj.generator.path
    fail_if(taken(out), no_base(of_base), no_adapter(adapter))
    from adloom.loop import home
    from adloom.loop.bases.merging import CannotMerge, merge_into_base
    from adloom.loop.learning.registry import UnknownVersion

    with errors_told(CannotMerge, UnknownVersion), stop_told(lambda: BEGINS_ANEW):
        registry = None if version is None else home.open_registry(context.obj)
        if registry is not None and version is not None:
            adapter = registry.adapter(registry.version(version))
        if adapter is None:
            fail(f"version {version} is the base itself: there is nothing to merge")
        problems.print("Merging", highlight=False, soft_wrap=True)
        called = f"{adapter}" if version is None else f"version {version}"
        merge_into_base(
            of_base, adapter, out, called=called, of=registry, leave_trends=leave_trends
        )
    _console.print(f"The base is in {out}.", markup=False, highlight=False, soft_wrap=True)
