"""`adloom doctor`: every part that the settings name, looked at and not changed."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.errors import in_one_line
from adloom.loop.commands.printing import AsJson, print_table
from adloom.loop.settings import Settings

app = typer.Typer()
_console = Console()
_STYLES = {"well": "green", "note": "yellow", "wrong": "red"}


@app.command()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at every part that the settings name, and say what to do; 1 where one is wrong.

    Packages, home, broker, topics, codecs, rights, group, online store, log, database, pictures,
    MLflow, base: side by side, 10 seconds each at most. Nothing is made or changed by it.
    """
    from adloom.loop.doctor.checks import all_checks
    from adloom.loop.doctor.examine import examine

    settings: Settings = context.obj
    checks = all_checks(settings)
    began = time.monotonic()
    found = examine(checks, in_one_line)
    seconds = time.monotonic() - began
    ill = any(finding.state == "wrong" for finding in found)
    if as_json:
        told = {"well": not ill, "seconds": round(seconds, 2), "parts": list(map(asdict, found))}
        print(json.dumps(told, indent=2))
        raise typer.Exit(int(ill))
    table = Table("Part", "", "Looked at", box=None, padding=(0, 2, 0, 0))
    for finding in found:
        style = _STYLES[finding.state]
        said = Text(finding.looked_at, overflow="fold")
        if finding.told:
            said.append(f"\n{finding.told}", style=style)
        table.add_row(finding.part, Text(finding.state, style=style), said)
    print_table(_console, table)
    raise typer.Exit(int(ill))
