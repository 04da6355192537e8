"""`adloom train-round`, `promote` and `rollback`: learning, and what serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from adloom.loop.commands.errors import errors_told, fail_if, in_one_line, problems
from adloom.loop.commands.learners import learners, learns_with_first, refuse_both
from adloom.loop.commands.printing import counted
from adloom.loop.commands.stopping import stop_told
from adloom.loop.progress import steps_told
from adloom.loop.settings import Settings
from adloom.models.folders import no_base

if TYPE_CHECKING:
    from adloom.loop.learning.rounds.ground import TrainingGround
    from adloom.loop.learning.rounds.kept import Abandoned, RoundOutcome
    from adloom.loop.learning.rounds.learning_task import Learners

app = typer.Typer()
console = Console()
_log = logging.getLogger("adloom.learning")


@app.command("train-round")
def train_round_command(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Train on however few clicks.")] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on for ever: a round whenever one is due ([rounds])."),
    ] = False,
    ray: Annotated[
        bool,
        typer.Option("--ray", help="Learn in workers of Ray Train; ray.address says where."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --ray; left out: one a GPU, or one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print outcomes as JSON.")] = False,
) -> None:
    """Fine-tune on the clicks so far and register the version; goes on with a cut-off round.

    On several GPUs: torchrun --no-python --nproc-per-node N adloom train-round ..., or --ray. They
    share each batch (fine_tune.batch_size), and come to the version that one would. Those of other
    machines need the same home and base folders.
    """
    settings: Settings = context.obj
    refuse_both(ray, workers)
    fail_if(no_base(settings.generator.path))
    from adloom.loop.home import ROUNDS_FOLDER, shared_database
    from adloom.loop.learning.rounds.turn import RoundUnderWay, who_runs

    with errors_told(*_foreseen()):
        with shared_database(settings) as database:
            who = who_runs(settings.home / ROUNDS_FOLDER, database)
        if who is not None and not watch:
            raise RoundUnderWay(who)  # before the model is loaded
        if learns_with_first(settings):
            return
        with (
            stop_told(lambda: _kept(settings)),
            learners(settings, ray, workers) as learning,
            _training_ground(settings, learning) as ground,
            steps_told(problems, "Training", settings.fine_tune.most_steps) as (say, on_step),
        ):
            if watch:
                _watch(ground, say, on_step, as_json)
            else:
                _train(ground, force, on_step, as_json)


def _kept(settings: Settings) -> str:
    from adloom.loop.home import ROUNDS_FOLDER
    from adloom.loop.learning.rounds.kept import unfinished_round

    if unfinished_round(settings.home / ROUNDS_FOLDER) is None:
        return "No round is cut off"
    return "The round that is cut off goes on at the next start, with what is kept of it"


def _foreseen() -> tuple[type[Exception], ...]:
    """What a user can mend, told in one line."""
    from adloom.loop.learning.kept_adapters import UnfitVersion
    from adloom.loop.learning.ray_cluster import CannotScaleOut
    from adloom.loop.learning.registry import UnknownVersion
    from adloom.loop.learning.rounds.plan import NotEnoughClicks
    from adloom.loop.learning.rounds.turn import RoundUnderWay, TurnLost
    from adloom.models.training.data_parallel import WorkerLost

    of_rounds = (NotEnoughClicks, RoundUnderWay, TurnLost, UnfitVersion, UnknownVersion)
    return *of_rounds, WorkerLost, CannotScaleOut


def _train(
    ground: TrainingGround, force: bool, on_step: Callable[[int, float], None], as_json: bool
) -> None:
    from adloom.loop.learning.rounds.train import train_round

    made = train_round(ground, force=force, on_step=on_step, on_abandoned=_tell_abandoned)
    _tell(made, as_json)


def _watch(
    ground: TrainingGround,
    say: Callable[[str], None],
    on_step: Callable[[int, float], None],
    as_json: bool,
) -> None:
    """Rounds when they are due, until Ctrl-C; trouble is told once, and looked at again."""
    from adloom.loop.learning.rounds.trigger import Trigger, rounds_when_due

    told: str | None = None

    def waiting(found: Trigger) -> None:
        nonlocal told
        told = None
        ground.learners.wait()
        say(f"Waiting: {found.new_clicks} of {counted(ground.rounds.min_clicks, 'new click')}")

    def trouble(error: Exception) -> None:
        nonlocal told
        ground.learners.wait()  # or ends by the error, where they do not listen any more
        line = in_one_line(error, *_foreseen())
        if line is None:
            _log.error("A round failed and is tried again", exc_info=error)
        elif line != told:
            problems.print(escape(line), highlight=False, soft_wrap=True)
        told = line
        say("Waiting until this is over")

    try:
        for outcome in rounds_when_due(
            ground,
            on_wait=waiting,
            on_step=on_step,
            on_abandoned=_tell_abandoned,
            on_trouble=trouble,
        ):
            _tell(outcome, as_json)
    except KeyboardInterrupt:
        say("Ended; a round that was cut off goes on at the next start")


def _tell_abandoned(abandoned: Abandoned) -> None:
    line = f"Round {abandoned.number} is abandoned: {abandoned.reason}"
    problems.print(escape(line), highlight=False, soft_wrap=True)


@contextmanager
def _training_ground(settings: Settings, learning: Learners) -> Iterator[TrainingGround]:
    from adloom.loop import home

    with ExitStack() as parts:
        features = parts.enter_context(home.open_features(settings))
        creatives = home.open_creatives(settings)
        parts.callback(creatives.close)
        catalogue = home.open_catalogue(settings)
        parts.callback(catalogue.close)
        generator = home.load_generator(settings)
        registry = home.registry_with_base(settings, generator)
        past_ads = home.past_ads(catalogue, creatives, generator)
        titles = home.title_words(settings, catalogue).rules
        ground = home.training_ground(settings, generator, features, past_ads, registry, titles)
        yield replace(ground, learners=learning)


def _tell(outcome: RoundOutcome, as_json: bool) -> None:
    if as_json:
        print(outcome.model_dump_json(indent=2), flush=True)
        return
    console.print(
        f"Round {outcome.number}: version {outcome.version} from "
        f"{counted(outcome.train_clicks, 'click')}, "
        f"held-out loss {outcome.heldout_before:.4f} → {outcome.heldout_after:.4f}",
        soft_wrap=True,
    )
    if outcome.beyond_share or outcome.unshown:
        console.print(
            f"Left out: {counted(outcome.beyond_share, 'click')} beyond their shopper's share "
            f"(rounds.max_user_share), {outcome.unshown} on ads that their shopper was not shown",
            soft_wrap=True,
        )
    console.print(_what_now(outcome), soft_wrap=True)


def _what_now(outcome: RoundOutcome) -> str:
    if outcome.passed:
        return f"It is @challenger now; serve it with: adloom promote {outcome.version}"
    told = "; ".join(outcome.objections)
    if outcome.undecided:
        return (
            f"The champion stays: {told}. Learn from more clicks a round (rounds.min_clicks), or "
            f"test version {outcome.version} on a few shoppers: an arm of an experiment with that "
            'version, or with "@undecided" under gate.undecided = "test"'
        )
    return f"The champion stays. The gate has against it: {told}"


@app.command()
def promote(context: typer.Context, version: int) -> None:
    """Make VERSION the champion; servers follow within seconds."""
    from adloom.loop import home
    from adloom.loop.learning.registry import UnknownVersion

    with errors_told(UnknownVersion):
        promoted = home.open_registry(context.obj).promote(version)
    console.print(f"Version {promoted.number} is @champion.", soft_wrap=True)


@app.command()
def rollback(context: typer.Context) -> None:
    """Make the champion before this one champion again."""
    from adloom.loop import home
    from adloom.loop.learning.registry import UnknownVersion

    with errors_told(UnknownVersion):
        back = home.open_registry(context.obj).rollback()
    console.print(f"Version {back.number} is @champion again.", soft_wrap=True)
