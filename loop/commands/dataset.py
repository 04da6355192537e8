"""`adloom dataset`: what the loop knows, as a data set."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson, print_fields
from adloom.loop.commands.stopping import BEGINS_ANEW, stop_told
from adloom.loop.progress import progress_told
from adloom.loop.settings.out_folder import taken

app = typer.Typer(no_args_is_help=True, help="Data sets from what the loop knows.")
_console = Console()
_DAY = "%Y-%m-%d"


@app.callback()
def _group() -> None:
    """Keeps `export` a command of its own."""


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write, not there yet.")],
    since: Annotated[
        datetime | None, typer.Option(formats=[_DAY], help="First day of clicks, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=[_DAY], help="Day before which clicks end, UTC.")
    ] = None,
    heldout: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Share of users, and of products, not trained on."),
    ] = 0.2,
    salt_from: Annotated[
        str | None,
        typer.Option(help="Environment variable with the salt of users; a new one if unset."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write clicks on ads in PAd1M's format: data.jsonl, pictures/ and card.json.

    Each record has the shopper's history from strictly before the click. Users are hashed; no user
    and no product is in both splits, and clicks that would join the two are left out.
    """
    fail_if(taken(out))
    from adloom.loop import home
    from adloom.loop.datasets.export import CannotExport, Exporter
    from adloom.loop.learning.training_set import FutureLeak

    salt = secrets.token_bytes(32)
    if salt_from is not None:
        salt = os.environ.get(salt_from, "").encode()
        if not salt:
            fail(f"--salt-from {salt_from}: the environment has no such variable")
    first, end = (None if day is None else day.replace(tzinfo=UTC) for day in (since, until))
    with (
        errors_told(CannotExport, FutureLeak),
        stop_told(lambda: BEGINS_ANEW),
        ExitStack() as parts,
    ):
        features = parts.enter_context(home.open_features(context.obj))
        creatives = home.open_creatives(context.obj)
        parts.callback(creatives.close)
        catalogue = home.open_catalogue(context.obj)
        parts.callback(catalogue.close)
        tell = parts.enter_context(progress_told(problems, "Exporting", "clicks"))
        exporter = Exporter(features, catalogue, creatives, salt, heldout)
        card = exporter.export(out, first, end, lambda done, of: tell(done / of, done))
    if as_json:
        print(json.dumps({"out": str(out), **card.told()}, indent=2, ensure_ascii=False))
        return
    told = {name: str(count) for name, count in card.records.items()}
    left = {f"left out: {reason}": str(count) for reason, count in card.left_out.items()}
    print_fields(_console, {"written to": str(out), "clicks": card.clicks, **told, **left})
