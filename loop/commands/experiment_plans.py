"""`adloom experiment power` and `export`: before an experiment, and for tools beside adloom."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from adloom.loop.commands.errors import fail, fail_if
from adloom.loop.commands.experiments import chosen_experiment
from adloom.loop.commands.printing import AsJson, print_table
from adloom.loop.settings import Settings
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.out_folder import unwritable_file

if TYPE_CHECKING:
    from adloom.loop.experiments.reading.plan import Plan

app = typer.Typer()
_console = Console()
_EVEN: dict[str, dict[str, str]] = {"control": {}, "other": {}}


@app.command()
def power(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Of the settings; none = two even arms by the defaults.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=1e-6, max=0.99, help="Clicks an ad; none = from the log.")
    ] = None,
    visits: Annotated[
        float | None, typer.Option(min=1, max=1e12, help="Ads a day; none = from the log.")
    ] = None,
    lift: Annotated[
        float | None, typer.Option(min=0.001, max=10, help="To be found; none = expected_lift.")
    ] = None,
    chance: Annotated[
        float, typer.Option("--power", min=0.5, max=0.999, help="Chance to find it.")
    ] = 0.8,
    as_json: AsJson = False,
) -> None:
    """How many ads and days a lift takes, and which lift some days can show.

    Where the log has ads of the four weeks before the start (or of the last four, where none of
    those was clicked), their rate, number and how alike the clicks of one user are (the design
    effect) are taken from it.
    """
    from adloom.loop import home
    from adloom.loop.experiments.reading.plan import (
        NothingToPlanBy,
        plan_experiment,
        traffic_to_plan_by,
    )
    from adloom.loop.experiments.report import plain

    settings: Settings = context.obj
    now = datetime.now(UTC)
    experiment = (
        Experiment.model_validate({"arms": _EVEN, "start": now})
        if name is None
        else settings.experiments[chosen_experiment(settings, name)]
    )
    seen = traffic_to_plan_by(
        home.open_log(settings),
        experiment.start,
        now,
        attribution=timedelta(hours=settings.rounds.attribution_hours),
    )
    try:
        plan = plan_experiment(
            experiment, seen, rate=rate, ads_a_day=visits, lift=lift, power=chance, now=now
        )
    except NothingToPlanBy as error:
        fail(str(error))
    if as_json:
        print(json.dumps(plain(asdict(plan)), indent=2))
    else:
        _show(plan)


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write, such as users.parquet or .csv.")],
    name: Annotated[
        str | None, typer.Argument(help="Of the settings; none = the one that runs or ran last.")
    ] = None,
    form: Annotated[
        Literal["csv", "parquet"] | None,
        typer.Option("--format", help="None = as the file's name ends."),
    ] = None,
) -> None:
    """Write a row for each user and arm: exposures, clicks, first seen, and the time before.

    GrowthBook and its like read `user_id`, `timestamp`, `experiment_id` and `variation_id`.

    User ids are those of the log, so the file is for you alone (0600). CSV does not say that they
    are text: read it with pandas by dtype={"user_id": str}, keep_default_na=False, or Parquet.
    """
    from adloom.loop import home
    from adloom.loop.experiments.outcomes import experiment_outcomes
    from adloom.loop.experiments.reading.before import before_start
    from adloom.loop.experiments.reading.export import FORMATS, user_table, write_private

    written_as = FORMATS.get(out.suffix) if form is None else form
    if written_as is None:
        fail(f"--out {out}: name a file that ends in {' or '.join(FORMATS)}, or give --format")
    fail_if(unwritable_file(out))
    settings: Settings = context.obj
    chosen = chosen_experiment(settings, name)
    experiment = settings.experiments[chosen]
    log = home.open_log(settings)
    outcomes = experiment_outcomes(
        log,
        chosen,
        experiment,
        attribution=timedelta(hours=settings.rounds.attribution_hours),
        until=datetime.now(UTC),
    )
    table = user_table(chosen, outcomes, before_start(log, outcomes.users, experiment.start))
    write_private(table, out, written_as)
    _console.print(
        f"{len(table):,} rows are in {out}; it holds user ids.", highlight=False, soft_wrap=True
    )


def _show(plan: Plan) -> None:
    seen = plan.traffic
    alike = "no ads in the log: 1 is assumed"
    if seen.ads:
        alike = f"by {seen.ads:,} ads of the log, {seen.first_day} to {seen.last_day}"
    _console.print(
        f"{seen.rate:.2%} of {seen.ads_a_day:,.0f} ads a day clicked; "
        f"design effect {seen.design_effect:.2f} ({alike})",
        highlight=False,
        soft_wrap=True,
    )
    what = (
        f"not to lose {plan.margin:.1%} of the clicks"
        if plan.margin
        else f"a lift of {plan.lift:.1%}"
    )
    _console.print(
        f"To show {what} with a chance of {plan.power:.0%}: about {plan.ads:,.0f} ads, "
        f"{plan.days:,.1f} days. (A test that is looked at only once, at its end: "
        f"{plan.ads_one_look:,.0f} ads.)",
        highlight=False,
        soft_wrap=True,
    )
    if plan.detectable:
        table = Table("Days", box=None)
        table.add_column("Ads", justify="right")
        table.add_column("Smallest lift found", justify="right")
        for row in plan.detectable:
            lift = "none for sure" if row.lift is None else f"{row.lift:+.1%}"
            table.add_row(str(row.days), f"{row.ads:,}", lift)
        print_table(_console, table)
