"""`adloom migrate`: a home of an earlier release, or of other settings, becomes today's."""

from __future__ import annotations

import json

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import AsJson
from adloom.loop.progress import progress_told
from adloom.loop.settings import Settings

app = typer.Typer()
_console = Console()


@app.command()
def migrate(context: typer.Context, as_json: AsJson = False) -> None:
    """Bring the database to this release, and take over what the home kept elsewhere.

    Products and creatives of an earlier release, or of a home that had no [database] url yet, come
    into the database in one step, its event log into the table of [log], and pictures of one that
    had no [pictures] url yet to their place. Files stay as they were until that is done, and are
    removed then. Killed, it goes on when it is run again. New homes need none of it. Stop all else
    of this home before.
    """
    from adloom.loop.catalogue.taking_over.left_behind import HomeInUse
    from adloom.loop.catalogue.taking_over.pictures import take_over_pictures
    from adloom.loop.catalogue.taking_over.take_over import take_over
    from adloom.loop.home import take_over_log

    settings: Settings = context.obj
    with errors_told(HomeInUse), progress_told(problems, "Moving", "pictures") as tell:
        pictures = take_over_pictures(
            settings.home, settings.pictures, lambda moved: tell(None, moved)
        )
    with errors_told(HomeInUse), progress_told(problems, "Taking over", "rows") as tell:
        done = take_over(
            settings.home, settings.database, lambda rows, total: tell(rows / total, rows)
        )
        events = take_over_log(settings, lambda rows, total: tell(rows / total, rows))
    if as_json:
        files = [str(file.relative_to(settings.home)) for file in done.files]
        told = {"revision": done.revision, "changed": done.changed, "taken_over": files}
        rows = {"products": done.products, "creatives": done.creatives, "events": events}
        shown = {"pictures": pictures.moved, "damaged_pictures": pictures.damaged}
        print(json.dumps(told | rows | shown, indent=2))
        return
    moved = bool(pictures.moved or pictures.damaged)
    if moved:
        where = settings.pictures.url or settings.home
        _console.print(
            f"{pictures.moved:,} pictures lie at {where}.", highlight=False, soft_wrap=True
        )
        for name in pictures.damaged:
            problems.print(f"Damaged, and left out: {name}", highlight=False, soft_wrap=True)
    if events:
        _console.print(
            f"{events:,} events of the log are taken over.", highlight=False, soft_wrap=True
        )
    if done.files:
        count = f"{done.products:,} products and {done.creatives:,} creatives"
        _console.print(f"{count} are taken over.", highlight=False, soft_wrap=True)
    elif done.changed:
        _console.print(
            f"The database is of revision {done.revision} now.", highlight=False, soft_wrap=True
        )
    elif not (events or moved):
        _console.print("Nothing to do: all is of this release.", highlight=False, soft_wrap=True)
