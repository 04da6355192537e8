"""`adloom rounds`: the rounds that were begun, and giving up one that was cut off."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adloom.loop.commands.errors import errors_told, fail
from adloom.loop.commands.printing import print_table
from adloom.loop.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Rounds of learning: which there were, and giving up.")
console = Console()

_MOST_REASON = 500  # characters


@app.command("list")
def list_rounds(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the rounds that were begun, what came of them, and who runs one now."""
    from pydantic import TypeAdapter

    from adloom.loop.home import ROUNDS_FOLDER, shared_database
    from adloom.loop.learning.rounds.kept import KeptRound, kept_rounds
    from adloom.loop.learning.rounds.shared import SharedRounds
    from adloom.loop.learning.rounds.turn import who_runs

    settings: Settings = context.obj
    folder = settings.home / ROUNDS_FOLDER
    with shared_database(settings) as database:
        SharedRounds(folder, database).fetch()
        who = who_runs(folder, database)
        found = kept_rounds(folder, under_way=who is not None)
    if as_json:
        print(TypeAdapter(list[KeptRound]).dump_json(found, indent=2).decode())
        return
    table = Table("Round", "State", "Version", "From", "Clicks", "Until", "Reason", box=None)
    for one in found:
        known = (one.version, one.parent, one.train_clicks)
        table.add_row(
            str(one.round),
            one.state,
            *("" if number is None else str(number) for number in known),
            "" if one.until is None else f"{one.until:%Y-%m-%d %H:%M}",
            escape(one.reason or ""),
        )
    print_table(console, table)
    if who is not None:
        console.print(f"A round is under way: {escape(who)}", highlight=False, soft_wrap=True)


@app.command()
def abandon(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Argument(min=1, help="Round; left out: the one that was cut off.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept with the round, and in its MLflow run.")] = (
        "abandoned by hand"
    ),
) -> None:
    """Give up a round that was cut off; its MLflow run is ended, and the next round is a new one.

    Its clicks are learnt from by the next round.
    """
    from adloom.loop import home
    from adloom.loop.learning.rounds import kept
    from adloom.loop.learning.rounds.giving_up import give_up
    from adloom.loop.learning.rounds.shared import SharedRounds
    from adloom.loop.learning.rounds.turn import RoundUnderWay, turn

    settings: Settings = context.obj
    if len(reason) > _MOST_REASON:
        fail(f"--reason has {len(reason)} characters; {_MOST_REASON} at most")
    folder = settings.home / home.ROUNDS_FOLDER
    with errors_told(RoundUnderWay), home.shared_database(settings) as database:
        rounds = SharedRounds(folder, database)
        rounds.fetch()
        unfinished = kept.unfinished_round(folder)
        wanted = unfinished if number is None else kept.round_folder(folder, number)
        if unfinished is None or wanted != unfinished:
            which = "there is no round" if number is None else f"round {number} is none"
            fail(f"{which} that was cut off; adloom rounds list shows what there is")
        with turn(folder, database) as held, rounds.held(held):
            given_up = give_up(home.open_registry(settings), unfinished, reason, by_hand=True)
    console.print(f"Round {given_up.number} is abandoned.", soft_wrap=True)
