"""`adloom replay`: a click log through the stream, every count checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from adloom.loop.commands.broker import reach_broker
from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import own_names, print_table
from adloom.loop.progress import progress_told
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.replay.checking import CheckedFile
    from adloom.loop.replay.click_log import ClickLog
    from adloom.loop.replay.layout import Layout
    from adloom.loop.replay.open_bandit import Campaign, Policy
    from adloom.loop.replay.replay import ReplayResult

app = typer.Typer()
_console = Console()
_SHOWN_REFUSALS = 10
_SHOWN_DIFFERENCES = 10


@app.command()
def replay(
    context: typer.Context,
    log: Annotated[
        str,
        typer.Argument(
            help="`obd` (Open Bandit Dataset sample), or a file: CSV, JSON lines, Parquet; or .gz; "
            "or - (standard input)."
        ),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="Own name of a column: ts=timestamp; can be given again."),
    ] = None,
    kind: Annotated[
        Literal["impression", "click"] | None,
        typer.Option(help="Every row is one; without: a column click, kind or event tells."),
    ] = None,
    unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None,
        typer.Option(help="Of moments that are numbers since 1970; without: ISO 8601."),
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Of moments without one; without: UTC.")] = None,
    separator: Annotated[
        str | None, typer.Option(help="Of CSV; without: , ; | or tab, as the first line has it.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Send nothing where a row would be refused.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read all of it, send nothing.")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Log rows a second.")] = None,
    campaign: Annotated[
        Literal["all", "men", "women"], typer.Option(help="Campaign of obd.")
    ] = "all",
    policy: Annotated[
        Literal["random", "bts"], typer.Option(help="Policy that logged obd.")
    ] = "random",
    as_json: Annotated[bool, typer.Option("--json", help="Print counts by item as JSON.")] = False,
) -> None:
    """Send a click log through Kafka into the features, and check every count.

    A row has ts, user_id, item_id and click (0 or 1): an impression, and perhaps a click. With
    a column kind or event instead, a row is one event. Kept too: ad_id, position, propensity,
    variant, context. Other names come from --map or [replay] columns. All of it is checked before
    the first event is sent: rows that are no events are named, and the rest goes in.
    """
    settings: Settings = context.obj
    if not dry_run:
        reach_broker(settings.kafka)

    from adloom.loop.home import who_is_forgotten
    from adloom.loop.replay.errors import ClickLogUnavailable, ReplayIncomplete, UnknownLayout
    from adloom.loop.replay.layout import Layout
    from adloom.loop.replay.spooling import readable_again

    names = own_names(columns or [], "FIELD=COLUMN, such as ts=timestamp")
    with (
        errors_told(ClickLogUnavailable, UnknownLayout, ReplayIncomplete),
        who_is_forgotten(settings, "adloom replay") as forgotten,
    ):
        tab = {"\\t": "\t", "tab": "\t"}
        usual = settings.replay
        separator = separator or usual.separator
        layout = Layout(
            names,
            separator and tab.get(separator, separator),
            unit,
            zone or usual.zone,
            kind,
            settings.events,
            usual.columns,
            usual.unit,
            forgotten,
        )
        if log == "obd":
            result = _replay_obd(settings, campaign, policy, rate)
        else:
            with readable_again(Path(log)) as file:
                checked = _check(file, layout, strict)
                if dry_run:
                    _tell_dry_run(checked, as_json)
                    return
                if not as_json:
                    _tell_left_out(checked.log)
                result = _replay(settings, checked, rate)
    _tell(result, as_json)
    nothing_taken = result.produced == 0 and result.log.refused > 0
    if not result.exact or nothing_taken:
        raise typer.Exit(1)


def _check(file: Path, layout: Layout, strict: bool) -> CheckedFile:
    from adloom.loop.replay.checking import check_file, refuse_any

    with progress_told(problems, "Checking", "events") as told:
        checked = check_file(file, layout, told)
    if strict:
        refuse_any(checked.log)
    return checked


def _replay(settings: Settings, checked: CheckedFile, rate: float | None) -> ReplayResult:
    from adloom.loop import home
    from adloom.loop.replay.replay import replay_checked
    from adloom.stream.broker import running_broker
    from adloom.stream.needs import to_replay_events

    with (
        home.open_features(settings) as features,
        running_broker(settings.kafka, to_replay_events(settings.kafka)) as kafka,
        progress_told(problems, "Replaying", "events") as told,
    ):
        return replay_checked(checked, kafka, features, rate=rate, told=told)


def _replay_obd(
    settings: Settings, campaign: Campaign, policy: Policy, rate: float | None
) -> ReplayResult:
    from adloom.loop import home
    from adloom.loop.replay.replay import replay_obd
    from adloom.stream.broker import running_broker
    from adloom.stream.needs import to_replay_events

    cache = settings.home / "cache"
    with (
        home.open_features(settings) as features,
        running_broker(settings.kafka, to_replay_events(settings.kafka)) as kafka,
        progress_told(problems, "Replaying", "events") as told,
    ):
        return replay_obd(
            kafka, features, cache, campaign=campaign, policy=policy, rate=rate, told=told
        )


def _tell_dry_run(checked: CheckedFile, as_json: bool) -> None:
    log = checked.log
    if as_json:
        told_rows = [{"line": row.line, "reason": row.reason} for row in log.refusals]
        found = {"events": checked.events, "refused": log.refused, "refused_rows": told_rows}
        ends = {"first": checked.first, "last": checked.last}
        found |= {name: at and at.isoformat() for name, at in ends.items()}
        print(json.dumps(found | {"dropped": dict(log.dropped)}, indent=2))
        return
    _tell_left_out(log)
    told = f"{checked.events:,} events"
    if checked.first is not None and checked.last is not None:
        told += f" from {checked.first:%Y-%m-%d %H:%M:%S} to {checked.last:%Y-%m-%d %H:%M:%S} UTC"
    _console.print(f"{told}; nothing was sent.", highlight=False, soft_wrap=True)


def _tell(result: ReplayResult, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.summary(), indent=2))
        return
    from adloom.loop.replay.counts_table import counts_table

    print_table(_console, counts_table(result))
    differing = result.differing_users
    for user in differing[:_SHOWN_DIFFERENCES]:
        found = (result.users_in_file[user], result.users_in_features[user])
        told = "user {}: {} impressions and {} clicks in the log, {} and {} in the features"
        counts = [number for pair in found for number in pair]
        _console.print(
            told.format(user, *counts), style="red", markup=False, highlight=False, soft_wrap=True
        )
    if len(differing) > _SHOWN_DIFFERENCES:
        _console.print(f"… and {len(differing) - _SHOWN_DIFFERENCES:,} users more", soft_wrap=True)
    _console.print(
        f"{result.produced:,} events in {result.seconds:.1f} s; counts by item and by user "
        + ("[green]match the log exactly[/]" if result.exact else "[red]differ[/]"),
        soft_wrap=True,
    )


def _tell_left_out(log: ClickLog) -> None:
    for row in log.refusals[:_SHOWN_REFUSALS]:
        _console.print(
            f"[yellow]line {row.line}:[/] {escape(row.reason)}", highlight=False, soft_wrap=True
        )
    if log.refused:
        noun = "row was" if log.refused == 1 else "rows were"
        _console.print(f"{log.refused:,} {noun} refused.", highlight=False, soft_wrap=True)
    for rule, count in log.dropped.most_common():
        _console.print(f"{count:,} left out by {escape(rule)}.", highlight=False, soft_wrap=True)
