"""`adloom creatives gc`: ads that nobody needs any more go, with their pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import AsJson, counted
from adloom.loop.commands.stopping import GOES_ON, stop_told
from adloom.loop.progress import rows_told
from adloom.loop.settings import Settings

app = typer.Typer()
_console = Console()
_MOST_DAYS = 36_500


@app.command()
def gc(
    context: typer.Context,
    older_than: Annotated[
        float, typer.Option(min=0, max=_MOST_DAYS, help="Days; ads that were made since stay.")
    ],
    unused_for: Annotated[
        float,
        typer.Option(
            min=0, max=_MOST_DAYS, help="Days; ads that were shown since, or joined the pool, stay."
        ),
    ] = 30,
    keep_per_product: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="So many of each product's newest stay.")
    ] = 10,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell how many there are, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase ads that adloom drew and that nobody needs, and pictures that nothing else shows.

    What was clicked stays, and so do the shop's own ads, those that people banned, and those that
    a round has yet to learn from. Servers may run on.
    """
    from adloom.feature_store.backend import LogUnavailable
    from adloom.loop import home
    from adloom.loop.forgetting.unused_ads import Wanted, erase_unused, unused_ads
    from adloom.loop.learning.rounds.needs import learned_until, needed_ads
    from adloom.loop.learning.rounds.shared import SharedRounds

    settings: Settings = context.obj
    now, rounds = datetime.now(UTC), settings.home / home.ROUNDS_FOLDER
    with errors_told(LogUnavailable), ExitStack() as parts:
        pictures = home.open_pictures(settings)
        creatives = home.open_creatives(settings, pictures)
        parts.callback(creatives.close)
        SharedRounds(rounds, creatives.engine).fetch()
        since = now - timedelta(days=unused_for)
        wanted = Wanted(
            made_before=now - timedelta(days=older_than),
            unused_since=min(since, learned_until(rounds) or since),
            keep=keep_per_product,
            needed=needed_ads(rounds),
        )
        log = home.open_log(settings)
        parts.callback(log.close)
        found = parts.enter_context(unused_ads(creatives.engine, log, wanted, _say))
        ads, of_pictures = len(found), 0
        if ads and not dry_run:
            parts.enter_context(stop_told(lambda: GOES_ON))
            on_ads = parts.enter_context(rows_told(problems, "Erasing", "ads", ads))
            ads, of_pictures = erase_unused(creatives.engine, pictures, found, on_ads)
    if as_json:
        told = {"creatives": ads, "pictures": of_pictures, "dry_run": dry_run}
        print(json.dumps(told, indent=2))
        return
    if dry_run:
        done = f"{counted(ads, 'ad')} would go; nothing was changed."
    else:
        done = f"{counted(ads, 'ad')} and {counted(of_pictures, 'picture')} are gone."
    _console.print(done, highlight=False, soft_wrap=True)


def _say(doing: str) -> None:
    if problems.is_terminal:
        problems.print(f"{doing}...", highlight=False, soft_wrap=True)
