"""`adloom monitoring`: dashboards and alert rules for those who watch adloom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail_if
from adloom.loop.settings.out_folder import unwritable_folder

app = typer.Typer(no_args_is_help=True, help="Dashboards and alert rules.")
_console = Console()


@app.callback()
def _group() -> None:
    """Dashboards and alert rules."""


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("adloom-monitoring"),
    force: Annotated[bool, typer.Option("--force", help="Write over files that differ.")] = False,
) -> None:
    """Write Grafana's dashboards and Prometheus' alert rules of adloom into a folder."""
    fail_if(unwritable_folder(out))
    from adloom.loop.serving.monitoring import FilesThere
    from adloom.loop.serving.monitoring import export as write

    with errors_told(FilesThere):
        for path in write(out, replace=force):
            _console.print(str(path), markup=False, highlight=False, soft_wrap=True)
