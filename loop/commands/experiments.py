"""`adloom experiment`: what the arms proved, and whether the estimators can be believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adloom.loop.commands.errors import fail, fail_if, problems
from adloom.loop.commands.experiment_metrics import metric_table
from adloom.loop.commands.printing import print_table
from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.settings import Settings
from adloom.loop.settings.out_folder import unwritable_file

if TYPE_CHECKING:
    from adloom.loop.experiments.open_bandit_value import OffPolicyCheck
    from adloom.loop.experiments.reading.reading import ExperimentReading
    from adloom.loop.experiments.report import ExperimentReport
    from adloom.loop.statistics.off_policy import PolicyValue

app = typer.Typer(help="Compare arms that serve side by side.", no_args_is_help=True)
_console = Console()

_LARGEST_SHOWN = 10.0
_POLICIES = (
    "Everybody in: clicks an ad had all ads been of that arm, told from those of every arm; for "
    "reading, no verdict goes by it. IPS weighs an ad by one over the chance of its arm, SNIPS "
    "divides by what these weights add up to, DR adds a rate by arm and product."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def report(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Of the settings; none = the one that runs or ran last.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Page to write: one file, with charts of every day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Click-through rate and lift of each arm, the split, guardrails, and a verdict.

    Lifts, split and guardrails may be looked at as often as you like: the chance of a false
    verdict is that of the experiment's `alpha` over all looks together.
    """
    fail_if(unwritable_file(html))
    from adloom.loop.experiments.reading.sentences import sentences

    found = _read(context.obj, name)
    if html is not None:
        from adloom.loop.experiments.reading.page import write_page

        write_page(found, html)
        problems.print(f"The page is {html}.", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
    elif html is None:
        _show(found.report, sentences(found))


def _read(settings: Settings, name: str | None) -> ExperimentReading:
    from adloom.loop import home
    from adloom.loop.experiments.reading.reading import read_experiment
    from adloom.loop.experiments.running import unservable_arms

    chosen = chosen_experiment(settings, name)
    return read_experiment(
        home.open_log(settings),
        chosen,
        settings.experiments[chosen],
        attribution=timedelta(hours=settings.rounds.attribution_hours),
        products=lambda ids: home.open_catalogue(settings).find(ids),
        unservable=unservable_arms(
            chosen, settings.experiments[chosen], home.open_registry(settings), datetime.now(UTC)
        ),
    )


def chosen_experiment(settings: Settings, name: str | None) -> str:
    """The one that is meant; ends the command where there is none."""
    from adloom.loop.experiments.report import NoExperiment, choose_experiment

    try:
        return choose_experiment(settings.experiments, name, datetime.now(UTC))
    except NoExperiment as error:
        fail(str(error))


@app.command("off-policy")
def off_policy(
    context: typer.Context,
    campaign: Annotated[
        Literal["all", "men", "women"], typer.Option(help="Campaign of the data set.")
    ] = "all",
    as_json: AsJson = False,
) -> None:
    """Check the off-policy estimators on the Open Bandit sample, whose truth is known.

    The random log estimates what Thompson sampling earned, and the other way round; the rate
    that was really logged stands beside it.
    """
    from adloom.loop.experiments.open_bandit_value import check_open_bandit

    settings: Settings = context.obj
    try:
        checks = check_open_bandit(settings.home / "cache", campaign)
    except ClickLogUnavailable as error:
        fail(str(error))
    if as_json:
        print(json.dumps([_check_json(check) for check in checks], indent=2))
        return
    for check in checks:
        print_table(_console, _check_table(check))
        _console.print()


def _show(found: ExperimentReport, told: Sequence[str]) -> None:
    from adloom.loop.experiments.metric_words import metric_sentence

    judged = found.judgement
    head = f"[bold]{found.name}[/], {found.experiment.allocation} allocation, {found.users:,} users"
    parts = [head, _rate_table(found), _lift_table(found)]
    if found.metrics:
        parts.append(metric_table(found))
    if any(found.policies.values()):
        parts += [_policy_table(found), _POLICIES]
    for part in parts:
        if isinstance(part, Table):
            print_table(_console, part)
        else:
            _console.print(part, highlight=False, soft_wrap=True)
        _console.print()
    _console.print(escape(judged.split_sentence), highlight=False, soft_wrap=True)
    for name, metric in found.metrics.items():
        sentence = metric_sentence(name, metric, found.experiment)
        _console.print(escape(sentence), highlight=False, soft_wrap=True)
    for warning in found.warnings:
        _console.print(f"[yellow]Warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    for sentence in told:
        _console.print(escape(sentence), highlight=False, soft_wrap=True)
    verdict = judged.verdict.replace("_", " ")
    _console.print(f"Verdict: [bold]{verdict}[/]; {judged.reason}", highlight=False, soft_wrap=True)


def _rate_table(found: ExperimentReport) -> Table:
    table = Table("Arm", box=None)
    for column in ("Users", "Ads", "Clicks", "Rate", "95 %", "Drawn / pool / shop"):
        table.add_column(column, justify="right")
    for name, arm in found.judgement.arms.items():
        counts = (f"{count:,}" for count in (arm.users, arm.impressions, arm.clicks))
        rate, span = f"{arm.rate:.2%}", f"{arm.interval.low:.2%} to {arm.interval.high:.2%}"
        if not arm.impressions:
            rate, span = "", "no window is over"
        is_control = name == found.experiment.control_arm and name != "control"
        control = " (control)" if is_control else ""
        shown = " / ".join(f"{share:.0%}" for share in found.shown[name].values())
        table.add_row(f"{name}{control}", *counts, rate, span, shown)
    return table


def _lift_table(found: ExperimentReport) -> Table:
    """Clicks and guardrails of each arm against the control."""
    control = found.experiment.control_arm
    table = Table(f"Against {control}", "", "95 %", "Always valid", "", box=None)
    for name, arm in found.judgement.arms.items():
        if name == control:
            continue
        if arm.lift is None:
            table.add_row(f"{name} clicks", "no clicks to compare yet")
        else:
            spans = (_span(s.low, s.high) for s in (arm.lift.interval, arm.lift.always_valid))
            table.add_row(f"{name} clicks", f"{arm.lift.value:+.1%}", *spans)
        for quantity, rail in found.judgement.guardrails[name].items():
            change, span, limit = rail.told
            state = "[red]too much[/]" if rail.broken else f"limit {limit}"
            state = state if rail.decides else "told, not judged"
            what = f"{name} {quantity.replace('_', ' ')}"
            table.add_row(what, change, "", span, state)
    return table


def _span(low: float, high: float) -> str:
    return f"{low:+.1%} to " + ("no bound" if high > _LARGEST_SHOWN else f"{high:+.1%}")


def _policy_table(found: ExperimentReport) -> Table:
    table = Table("Everybody in", "IPS", "SNIPS", "DR", box=None)
    for arm, values in found.policies.items():
        table.add_row(arm, *(_with_interval(value, digits=2) for value in values.values()))
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


def _with_interval(value: PolicyValue, digits: int = 3) -> str:
    low, high = (f"{100 * end:.{digits}f}" for end in (value.low, value.high))
    return f"{value.value:.{digits}%} ({low} to {high})"


def _check_json(check: OffPolicyCheck) -> dict[str, object]:
    agrees = {name: check.agrees(name) for name in check.estimates}
    return asdict(check) | {"holds_truth": agrees}
