"""`adloom train-round`, `promote`, `rollback` and `versions`: learning, and what serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.learning.rounds.ground import TrainingGround
    from adloom.loop.learning.rounds.train import RoundOutcome

app = typer.Typer()
console = Console()


@app.command("train-round")
def train_round_command(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Train on however few clicks.")] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on for ever: a round whenever one is due ([rounds])."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print outcomes as JSON.")] = False,
) -> None:
    """Fine-tune on the clicks so far and register the version; goes on with a cut-off round."""
    from adloom.loop.learning.rounds.plan import NotEnoughClicks
    from adloom.loop.learning.rounds.train import train_round
    from adloom.loop.learning.rounds.trigger import Trigger, rounds_when_due

    settings: Settings = context.obj
    with (
        errors_told(NotEnoughClicks),
        _training_ground(settings) as ground,
        _progress(settings.fine_tune.most_steps) as (say, on_step),
    ):
        if not watch:
            _tell(train_round(ground, force=force, on_step=on_step), as_json)
            return

        def waiting(found: Trigger) -> None:
            say(f"Waiting: {found.new_clicks} of {settings.rounds.min_clicks} new clicks")

        try:
            for outcome in rounds_when_due(ground, on_wait=waiting, on_step=on_step):
                _tell(outcome, as_json)
        except KeyboardInterrupt:
            say("Ended; a round that was cut off goes on at the next start")


@contextmanager
def _training_ground(settings: Settings) -> Iterator[TrainingGround]:
    from adloom.loop import home

    with ExitStack() as parts:
        features = parts.enter_context(home.open_features(settings))
        creatives = home.open_creatives(settings)
        parts.callback(creatives.close)
        catalogue = home.open_catalogue(settings)
        parts.callback(catalogue.close)
        registry, generator = home.registry_with_base(settings), home.load_generator(settings)
        past_ads = home.past_ads(catalogue, creatives, generator)
        titles = home.title_words(settings, catalogue).rules
        yield home.training_ground(settings, generator, features, past_ads, registry, titles)


@contextmanager
def _progress(
    steps: int,
) -> Iterator[tuple[Callable[[str], None], Callable[[int, float], None]]]:
    """A bar that says what is under way, and steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=problems) as progress:
        task = progress.add_task("Training", total=steps)

        def say(text: str) -> None:
            progress.update(task, description=text, completed=0)

        def on_step(step: int, loss: float) -> None:
            progress.update(task, description=f"Training, loss {loss:.2f}", completed=step)

        yield say, on_step


def _tell(outcome: RoundOutcome, as_json: bool) -> None:
    if as_json:
        print(outcome.model_dump_json(indent=2), flush=True)
        return
    console.print(
        f"Round {outcome.number}: version {outcome.version} from {outcome.train_clicks} clicks, "
        f"held-out loss {outcome.heldout_before:.4f} → {outcome.heldout_after:.4f}"
    )
    if outcome.beyond_share or outcome.unshown:
        console.print(
            f"Left out: {outcome.beyond_share} clicks beyond their shopper's share "
            f"(rounds.max_user_share), {outcome.unshown} on ads that their shopper was not shown"
        )
    console.print(
        f"It is @challenger now; serve it with: adloom promote {outcome.version}"
        if outcome.passed
        else f"The champion stays. The gate has against it: {'; '.join(outcome.objections)}"
    )


@app.command()
def promote(context: typer.Context, version: int) -> None:
    """Make VERSION the champion; servers follow within seconds."""
    from adloom.loop import home
    from adloom.loop.learning.registry import UnknownVersion

    with errors_told(UnknownVersion):
        promoted = home.open_registry(context.obj).promote(version)
    console.print(f"Version {promoted.number} is @champion.")


@app.command()
def rollback(context: typer.Context) -> None:
    """Make the champion before this one champion again."""
    from adloom.loop import home
    from adloom.loop.learning.registry import UnknownVersion

    with errors_told(UnknownVersion):
        back = home.open_registry(context.obj).rollback()
    console.print(f"Version {back.number} is @champion again.")


@app.command()
def versions(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the registered versions with their aliases and gate figures."""
    from adloom.loop import home

    with errors_told():
        found = home.open_registry(context.obj).versions()
    if as_json:
        rows = [
            {"version": v.number, "aliases": v.aliases, "created": v.created.isoformat(), **v.tags}
            for v in found
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table("Version", "Aliases", "From", "Gate", "Held-out loss", "Registered", box=None)
    for v in found:
        before, after = (v.tags.get(f"heldout_loss_{when}") for when in ("before", "after"))
        table.add_row(
            str(v.number),
            " ".join(f"@{alias}" for alias in v.aliases),
            v.tags.get("parent", ""),
            v.tags.get("gate", ""),
            f"{before} → {after}" if before else "",
            f"{v.created:%Y-%m-%d %H:%M}",
        )
    console.print(table)
