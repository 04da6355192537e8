"""`adloom creatives gc`: ads that nobody needs any more go, with their pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import AsJson, counted
from adloom.loop.commands.stopping import GOES_ON, stop_told
from adloom.loop.progress import progress_told, rows_told
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from adloom.loop.catalogue.pictures.store import PictureStore

app = typer.Typer()
_console = Console()
_MOST_DAYS = 36_500
_LEAST_DAYS = 1.0  # a picture is there a moment before its ad or product


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
    unnamed_pictures: Annotated[
        bool,
        typer.Option(
            "--unnamed-pictures",
            help="Also pictures as old that no ad or product of this database has: only where no "
            "other database has its pictures in the same place.",
        ),
    ] = False,
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
    from adloom.loop.forgetting.unused_ads import Wanted, erase_unused, pictures_of, unused_ads
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
        ads, of_pictures, unnamed = len(found), 0, 0
        if not dry_run:
            parts.enter_context(stop_told(lambda: GOES_ON))
        if dry_run:
            of_pictures = pictures_of(creatives.engine, found)
        elif ads:
            with rows_told(problems, "Erasing", "ads", ads) as on_ads:
                ads, of_pictures = erase_unused(creatives.engine, pictures, found, on_ads)
        if unnamed_pictures:
            before = now - timedelta(days=max(older_than, _LEAST_DAYS))
            unnamed = _unnamed(creatives.engine, pictures, before, dry_run)
    if as_json:
        told = {"creatives": ads, "pictures": of_pictures, "dry_run": dry_run}
        if unnamed_pictures:
            told["unnamed_pictures"] = unnamed
        print(json.dumps(told, indent=2))
        return
    gone = [counted(ads, "ad"), counted(of_pictures, "picture")]
    if unnamed_pictures:
        gone.append(counted(unnamed, "unnamed picture"))
    together = " and ".join(filter(None, [", ".join(gone[:-1]), gone[-1]]))
    done = f"{together} would go; nothing was changed." if dry_run else f"{together} are gone."
    _console.print(done, highlight=False, soft_wrap=True)


def _unnamed(engine: Engine, pictures: PictureStore, before: datetime, dry_run: bool) -> int:
    """How many there are; they are gone, unless it is a dry run."""
    from adloom.loop.catalogue.creatives.erasing import erase_pictures, unnamed_pictures

    many = seen = 0
    with progress_told(problems, "Looking through old pictures", "pictures") as tell:

        def looked_at(more: int) -> None:
            nonlocal seen
            seen += more
            tell(None, seen)

        for names in unnamed_pictures(engine, pictures, before, looked_at):
            many += len(names)
            if not dry_run:
                erase_pictures(engine, pictures, names)
    return many


def _say(doing: str) -> None:
    if problems.is_terminal:
        problems.print(f"{doing}...", highlight=False, soft_wrap=True)
