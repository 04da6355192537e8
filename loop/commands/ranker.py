"""`adloom train-ranker`: what finished ads are chosen by, learnt from clicks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import AsJson, print_fields
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.pool.training import Fit

app = typer.Typer()
_console = Console()


@app.command("train-ranker")
def train_ranker(
    context: typer.Context,
    days: Annotated[float, typer.Option(min=0.01, max=365, help="How far back to read.")] = 30.0,
    force: Annotated[
        bool, typer.Option("--force", help="Let them serve however well they foretell.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the weights by which finished ads are chosen, on the choices in the event log.

    Choices count once nobody can click them any more (rounds.attribution_hours). The weights serve
    from then on, on all servers of the database, unless they foretell the newest choices less well
    than those before, or no better than one rate for all ads. The fit is a run in MLflow. Exit
    status 1: they do not serve.
    """
    from adloom.feature_store.backend import LogUnavailable
    from adloom.loop import home
    from adloom.loop.database.opening import open_database
    from adloom.loop.pool.ranker import Weights
    from adloom.loop.pool.training import TooFewChoices, fitted, logged_choices
    from adloom.loop.pool.weights import latest, put

    settings: Settings = context.obj
    now = datetime.now(UTC)
    attribution = timedelta(hours=settings.rounds.attribution_hours)
    with errors_told(LogUnavailable, TooFewChoices):
        engine = open_database(settings.home, settings.database)
        log = home.open_log(settings)
        try:
            serving = latest(engine)
            before = Weights() if serving is None else serving.weights
            since = now - timedelta(days=days)
            choices = logged_choices(log, since=since, until=now, attribution=attribution)
            fit = fitted(choices, before)
            serves = force or fit.refusal is None
            run = _logged(settings, fit, days, serves)
            if serves:
                put(engine, fit.weights, run)
        finally:
            log.close()
            engine.dispose()
    found = {
        "serves": serves,
        "refusal": fit.refusal,
        "run": run,
        "choices": fit.choices,
        "clicks": fit.clicks,
        "held_out": fit.held_out,
        "log_loss": fit.log_loss,
        "log_loss_before": fit.log_loss_before,
        "log_loss_of_rate": fit.log_loss_of_rate,
        "weights": fit.weights.told(),
    }
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        weights = ", ".join(f"{name} {value:.2f}" for name, value in fit.weights.told().items())
        print_fields(
            _console,
            {
                "serve": "now, on all servers of the database" if serves else "no",
                "learnt from": f"{fit.choices:,} choices with {fit.clicks:,} clicks",
                "weights": weights,
                "log loss": f"{fit.log_loss:.4f} nats of the {fit.held_out:,} newest "
                f"({fit.log_loss_before:.4f} by those before, {fit.log_loss_of_rate:.4f} by the "
                "rate alone)",
                "MLflow run": run,
            },
        )
    if not serves:
        problems.print(f"{fit.refusal}; what served goes on serving", soft_wrap=True)
        raise typer.Exit(1)


def _logged(settings: Settings, fit: Fit, days: float, serves: bool) -> str:
    from adloom.loop import home

    runs = home.open_registry(settings).runs
    params = {"days": days, "choices": fit.choices, "clicks": fit.clicks}
    tags = {"adloom.kind": "ranker", "adloom.serves": str(serves).lower()}
    run = runs.start("ranker", params=params, tags=tags)
    losses = ("log_loss", "log_loss_before", "log_loss_of_rate")
    runs.log_metrics(run, {name: getattr(fit, name) for name in losses})
    runs.log_dict(run, fit.weights.told(), "weights.json")
    runs.end(run)
    return run
