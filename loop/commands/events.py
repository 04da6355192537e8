"""`adloom events check`: how the settings read events of one's own, before they do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.broker import reach_broker
from adloom.loop.commands.errors import errors_told, fail
from adloom.loop.commands.printing import print_table
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.stream.looking import Look, Looked, Payload

app = typer.Typer(help="Events of one's own.", no_args_is_help=True)
_console = Console()
_COLUMNS = ("ts", "user_id", "item_id")


@app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="A payload a line, as JSON; without: what Kafka holds."),
    ] = None,
    kind: Annotated[
        Literal["impression", "click", "exposure", "outcome"],
        typer.Option(help="Of the payloads in FILE, where events.kind does not tell."),
    ] = "click",
    shown: Annotated[int, typer.Option(min=0, help="So many are shown one by one.")] = 10,
    most: Annotated[int, typer.Option(min=1, help="Records read from Kafka at most.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show how [events] reads payloads, which it refuses or leaves out; nothing is changed.

    Exit status 1: some would be refused.
    """
    settings: Settings = context.obj
    if file is None and settings.kafka.bootstrap_servers is None:
        fail("give a FILE of payloads, or set ADLOOM_KAFKA__BOOTSTRAP_SERVERS=host:port")
    if kind == "outcome" and settings.kafka.topics.outcomes is None:
        fail("outcomes are not read: name their topic in kafka.topics.outcomes")
    if file is None:
        reach_broker(settings.kafka)

    from adloom.stream.event_reader import EventReader
    from adloom.stream.looking import look, payloads_of
    from adloom.stream.topics import topic_of

    with errors_told(OSError):
        reader = EventReader(settings.kafka, settings.events)
        if file is None:
            payloads = payloads_of(settings.kafka, most)
        else:
            payloads = _lines(file, topic_of(settings.kafka, kind))
        seen = look(reader, payloads, shown)
    if as_json:
        counts = {"events": seen.events, "refused": seen.refused, "dropped": seen.dropped}
        print(json.dumps(counts | {"first": [one.told() for one in seen.first]}, indent=2))
    else:
        _tell(seen)
    if seen.refused:
        raise typer.Exit(1)


def _lines(file: Path, topic: str) -> Iterator[Payload]:
    from adloom.stream.events import MAX_PAYLOAD_BYTES
    from adloom.stream.looking import Payload

    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(MAX_PAYLOAD_BYTES + 2):
            number += 1
            payload = line.removesuffix(b"\n")
            while line and not line.endswith(b"\n"):  # too long: refused by what was read of it
                line = lines.readline(MAX_PAYLOAD_BYTES)
            if payload.strip():
                yield Payload(f"line {number}", topic, payload)


def _tell(seen: Look) -> None:
    if seen.first:
        table = Table("From", "Is", "When", "User", "Item", "Further", box=None)
        for one in seen.first:
            table.add_row(*map(Text, _row(one)))
        print_table(_console, table)
    parts = [
        _counted("event", seen.events),
        _counted("refused", seen.refused),
        _counted("left out", seen.dropped),
    ]
    _console.print(
        "; ".join(part for part in parts if part) or "Nothing was there.",
        markup=False,
        soft_wrap=True,
    )


def _row(one: Looked) -> list[str]:
    told = one.told()
    if "refused" in told:
        return [one.place, "refused", told["refused"]["detail"], "", "", ""]
    if "dropped" in told:
        return [one.place, "left out", f"by {told['dropped']}", "", "", ""]
    fields = told["event"]
    further = {n: v for n, v in fields.items() if n not in (*_COLUMNS, "event_id", "version")}
    told_further = ", ".join(f"{name}={value}" for name, value in further.items() if value != {})
    return [one.place, told["kind"], *(fields[name] for name in _COLUMNS), told_further]


def _counted(noun: str, counts: Counter[str]) -> str:
    if not counts:
        return ""
    each = ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
    plural = "s" if noun == "event" and counts.total() != 1 else ""
    return f"{counts.total():,} {noun}{plural} ({each})"
