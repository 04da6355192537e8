"""`adloom experiment`: what the arms proved, and whether the estimators can be believed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from loop.open_bandit import Campaign, ClickLogUnavailable
from loop.settings import Settings

if TYPE_CHECKING:
    from loop.experiments.off_policy import PolicyValue
    from loop.experiments.open_bandit_value import OffPolicyCheck
    from loop.experiments.report import ExperimentReport

app = typer.Typer(help="Compare arms that serve side by side.", no_args_is_help=True)
_console = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def report(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Of the settings; none = the one that runs or ran last.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Click-through rate and lift of each arm, the split, guardrails, and a verdict.

    Lifts, split and guardrails may be looked at as often as you like: the chance of a false
    verdict is that of the experiment's `alpha` over all looks together.
    """
    from loop import home
    from loop.experiments.report import NoExperiment, choose_experiment, report_experiment

    settings: Settings = context.obj
    try:
        chosen = choose_experiment(settings.experiments, name, datetime.now(UTC))
    except NoExperiment as error:
        _fail(str(error))
    with home.open_features(settings) as features:
        found = report_experiment(
            features.log,
            chosen,
            settings.experiments[chosen],
            attribution=timedelta(hours=settings.rounds.attribution_hours),
        )
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _show(found)


@app.command("off-policy")
def off_policy(
    context: typer.Context,
    campaign: Annotated[Campaign, typer.Option(help="Campaign of the data set.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Check the off-policy estimators on the Open Bandit sample, whose truth is known.

    The random log estimates what Thompson sampling earned, and the other way round; the rate
    that was really logged stands beside it.
    """
    from loop.experiments.open_bandit_value import check_open_bandit

    settings: Settings = context.obj
    try:
        checks = check_open_bandit(settings.home / "cache", campaign)
    except ClickLogUnavailable as error:
        _fail(str(error))
    if as_json:
        print(json.dumps([_check_json(check) for check in checks], indent=2))
        return
    for check in checks:
        _console.print(_check_table(check), "")


def _show(found: ExperimentReport) -> None:
    judged, control = found.judgement, found.experiment.control_arm
    table = Table("Arm", box=None)
    for column in ("Users", "Ads", "Clicks", "Rate", "95 %", "Lift", "95 %", "Always valid"):
        table.add_column(column, justify="right")
    for name, arm in judged.arms.items():
        lifts = ["control", "", ""] if name == control else ["", "", ""]
        if arm.lift is not None and name != control:
            spans = (arm.lift.interval, arm.lift.always_valid)
            lifts = [f"{arm.lift.value:+.1%}", *(f"{s.low:+.1%} to {s.high:+.1%}" for s in spans)]
        rate = [f"{arm.rate:.2%}", f"{arm.interval.low:.2%} to {arm.interval.high:.2%}"]
        counts = [f"{arm.users:,}", f"{arm.impressions:,}", f"{arm.clicks:,}"]
        table.add_row(name, *counts, *rate, *lifts)
    _console.print(f"[bold]{found.name}[/], {found.experiment.allocation} allocation\n", table, "")
    _console.print(_policy_table(found), "")
    for name, held in judged.guardrails.items():
        for quantity, rail in held.items():
            state = "[red]broken[/]" if rail.broken else "held"
            _console.print(
                f"Guardrail {name}, {quantity}: {rail.change:+.2%} "
                f"({rail.low:+.2%} to {rail.high:+.2%}; limit {rail.limit:+.2%}): {state}",
                highlight=False,
            )
    _console.print(f"Split as defined: p = {judged.split_p_value:.3g}", highlight=False)
    for warning in found.warnings:
        _console.print(f"[yellow]Warning:[/] {warning}", highlight=False)
    _console.print(f"Verdict: [bold]{judged.verdict}[/]: {judged.reason}", highlight=False)


def _policy_table(found: ExperimentReport) -> Table:
    table = Table("Everybody in", "IPS", "SNIPS", "DR", box=None)
    for arm, values in found.policies.items():
        table.add_row(arm, *(_with_interval(value) for value in values.values()))
    return table


def _check_table(check: OffPolicyCheck) -> Table:
    title = (
        f"Log of {check.logged_by} ({check.rows:,} rows, {check.clicks} clicks), value of "
        f"{check.target}; worth {check.effective_size:,.0f} rows of its own"
    )
    table = Table("", "Clicks an impression", "Holds the truth", title=title, box=None)
    for name, value in check.estimates.items():
        held = "[green]yes[/]" if check.agrees(name) else "[red]no[/]"
        table.add_row(name.upper(), _with_interval(value), held)
    table.add_row("Truth (its own log)", _with_interval(check.truth))
    return table


def _with_interval(value: PolicyValue) -> str:
    return f"{value.value:.3%} ({value.low:.3%} to {value.high:.3%})"


def _check_json(check: OffPolicyCheck) -> dict[str, object]:
    agrees = {name: check.agrees(name) for name in check.estimates}
    return asdict(check) | {"holds_truth": agrees}


def _fail(message: str) -> None:
    Console(stderr=True).print(f"[red]Error:[/] {message}", highlight=False, markup=True)
    raise typer.Exit(2)
