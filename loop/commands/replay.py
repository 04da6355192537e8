"""`adloom replay`: a click log through the stream, every count checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from adloom.loop.commands.errors import errors_told, problems
from adloom.loop.commands.printing import own_names
from adloom.loop.commands.progress import progress_told
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.replay.click_log import ClickLog
    from adloom.loop.replay.layout import Layout
    from adloom.loop.replay.replay import ReplayResult

app = typer.Typer()
_console = Console()
_SHOWN_REFUSALS = 10


@app.command()
def replay(
    context: typer.Context,
    log: Annotated[
        str,
        typer.Argument(
            help="`obd` (Open Bandit Dataset sample), or a file: CSV, JSON lines, Parquet; or .gz."
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
    variant, context. Other names come from --map or [replay] columns. Rows that are no events
    are named, and the rest goes in.
    """
    from adloom.loop.replay.errors import ClickLogUnavailable, ReplayIncomplete, UnknownLayout
    from adloom.loop.replay.layout import Layout

    settings: Settings = context.obj
    with errors_told(ClickLogUnavailable, UnknownLayout, ReplayIncomplete):
        tab = {"\\t": "\t", "tab": "\t"}
        usual = settings.replay
        separator = separator or usual.separator
        layout = Layout(
            usual.columns | own_names(columns or [], "FIELD=COLUMN, such as ts=timestamp"),
            separator and tab.get(separator, separator),
            unit or usual.unit,
            zone or usual.zone,
            kind,
            settings.events,
        )
        if (strict or dry_run) and log != "obd":
            _read_once(Path(log), layout, strict, dry_run, as_json)
            if dry_run:
                return
        from adloom.loop import home
        from adloom.loop.replay.replay import replay_file, replay_obd
        from adloom.stream.broker import running_broker
        from adloom.stream.needs import to_replay_events

        with (
            home.open_features(settings) as features,
            running_broker(settings.kafka, to_replay_events(settings.kafka)) as kafka,
            progress_told(problems, "Replaying", "events") as told,
        ):
            if log == "obd":
                cache = settings.home / "cache"
                result = replay_obd(
                    kafka, features, cache, campaign=campaign, policy=policy, rate=rate, told=told
                )
            else:
                result = replay_file(Path(log), kafka, features, layout, rate=rate, told=told)
    _tell(result, as_json)
    nothing_taken = result.produced == 0 and result.log.refused > 0
    if not result.exact or nothing_taken:
        raise typer.Exit(1)


def _read_once(file: Path, layout: Layout, strict: bool, dry_run: bool, as_json: bool) -> None:
    from adloom.loop.replay.checking import check_log, refuse_any
    from adloom.loop.replay.click_log import ClickLog

    log = ClickLog.of(file, layout)
    with progress_told(problems, "Reading", "events") as told:
        events = check_log(log, told)
    if strict:
        refuse_any(log)
    if not dry_run:
        return
    if as_json:
        told_rows = [{"line": row.line, "reason": row.reason} for row in log.refusals]
        found = {"events": events, "refused": log.refused, "refused_rows": told_rows}
        print(json.dumps(found | {"dropped": dict(log.dropped)}, indent=2))
        return
    _tell_left_out(log)
    _console.print(f"{events:,} events; nothing was sent.", highlight=False)


def _tell(result: ReplayResult, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.summary(), indent=2))
        return
    from adloom.loop.replay.counts_table import counts_table

    _console.print(counts_table(result))
    _tell_left_out(result.log)
    _console.print(
        f"{result.produced:,} events in {result.seconds:.1f} s; counts by item "
        + ("[green]match the log exactly[/]" if result.exact else "[red]differ[/]")
    )


def _tell_left_out(log: ClickLog) -> None:
    for row in log.refusals[:_SHOWN_REFUSALS]:
        _console.print(f"[yellow]line {row.line}:[/] {escape(row.reason)}", highlight=False)
    if log.refused:
        noun = "row was" if log.refused == 1 else "rows were"
        _console.print(f"{log.refused:,} {noun} refused.", highlight=False)
    for rule, count in log.dropped.most_common():
        _console.print(f"{count:,} left out by {escape(rule)}.", highlight=False)
