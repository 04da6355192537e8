"""Commands of the online features: make them anew from the log, hold them against it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from adloom.loop.commands.broker import broker_of
from adloom.loop.commands.errors import errors_told, fail, problems
from adloom.loop.progress import progress_told
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.feature_store.checking import Checked, Difference
    from adloom.feature_store.store import FeatureStore
    from adloom.loop.replay.backfill import Plan
    from adloom.stream.forgotten import Forgotten

app = typer.Typer()
_features = typer.Typer(help="Online features beside the event log.", no_args_is_help=True)
app.add_typer(_features, name="features")
_console = Console()

_SHOWN_DIFFERENCES = 10
_REMEDY = "adloom backfill makes the features anew from the log; stop the consumers first"

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def backfill(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Add events of a file first: Parquet, CSV or JSON lines, or a folder of Parquet "
            "(default: adloom's own log alone)."
        ),
    ] = None,
    from_offsets: Annotated[
        bool, typer.Option("--from-offsets", help="Add what Kafka still holds first.")
    ] = False,
    unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None,
        typer.Option(help="Of FILE's ts where it is a number since 1970."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Of FILE's ts where it tells none, such as Europe/Berlin.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the online features anew from the event log; stop the consumers first.

    A row of FILE is one event: kind, event_id, ts, user_id, item_id, and perhaps ad_id, variant,
    propensity, position, context, extra. All rows are checked before anything is changed; those
    that the log does not know are added to it. Whatever fails leaves the features as they were.
    On a terminal it asks before it replaces them.
    """
    settings: Settings = context.obj
    if file is not None and from_offsets:
        fail("give either FILE or --from-offsets, not both")
    if from_offsets:
        broker_of(settings.kafka, "backfill --from-offsets")
    with _told(), ExitStack() as parts:
        from adloom.loop import home
        from adloom.loop.replay.backfill import planned

        features = parts.enter_context(home.open_features(settings))
        forgotten = parts.enter_context(home.who_is_forgotten(settings, "adloom backfill"))
        left_out: Counter[str] = Counter()
        if file is not None:
            unit = unit or settings.replay.unit
            plan = parts.enter_context(_of_file(features, file, unit, zone, forgotten, left_out))
        elif from_offsets:
            plan = parts.enter_context(_of_kafka(features, settings, forgotten, left_out))
        else:
            plan = parts.enter_context(planned(features))
        source = "kafka" if from_offsets else "file" if file else "log"
        told_first = _intention(plan, source, file)
        problems.print(told_first, markup=False, highlight=False, soft_wrap=True)
        if not yes and sys.stdin.isatty() and not typer.confirm("Go on?", err=True):
            fail("nothing was changed")
        total = max(1, plan.logged + plan.new)
        with progress_told(problems, "Backfilling", "events") as tell:
            records = plan.carry_out(lambda count: tell(min(1.0, count / total), count))
    if as_json:
        told: dict[str, Any] = {"source": source, "records": records, "read": plan.read}
        replaced = {"users": plan.users, "items": plan.items}
        dropped = {"dropped": dict(left_out)} if left_out.total() else {}
        print(json.dumps(told | {"added": plan.new, "replaced": replaced} | dropped, indent=2))
        return
    added = f" {plan.new:,} of them are new." if source != "log" else ""
    if left_out.total():
        added += f" {left_out.total():,} are left out: "
        added += ", ".join(f"{rule} {number:,}" for rule, number in left_out.items()) + "."
    _console.print(
        f"The online features are those of {records:,} logged events.{added}",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _of_file(
    features: FeatureStore,
    file: Path,
    unit: Any,
    zone: str | None,
    forgotten: Forgotten,
    left_out: Counter[str],
) -> Iterator[Plan]:
    from adloom.loop.replay.backfill import planned
    from adloom.loop.replay.new_events import new_by_identity, not_forgotten
    from adloom.loop.replay.past_events import PastEvents
    from adloom.loop.replay.spooling import readable_again

    with readable_again(file) as readable, ExitStack() as parts:
        events = PastEvents(readable, unit, zone)
        with progress_told(problems, "Checking", "rows") as tell:
            new = not_forgotten(new_by_identity(features.log), forgotten, left_out)
            plan = parts.enter_context(
                planned(features, events.batches(), new, lambda _: tell(events.part, events.read))
            )
        yield plan


@contextmanager
def _of_kafka(
    features: FeatureStore, settings: Settings, forgotten: Forgotten, left_out: Counter[str]
) -> Iterator[Plan]:
    from adloom.loop.replay.backfill import planned
    from adloom.loop.replay.new_events import new_by_place, not_forgotten
    from adloom.loop.replay.past_events import from_kafka

    with ExitStack() as parts:
        events = from_kafka(settings.kafka, settings.events)
        with progress_told(problems, "Reading", "events") as tell:
            new = not_forgotten(new_by_place(features.log), forgotten, left_out)
            plan = parts.enter_context(
                planned(features, events, new, lambda count: tell(None, count))
            )
        yield plan


def _intention(plan: Plan, source: str, file: Path | None) -> str:
    replaced = "all online features, which cannot be counted,"
    if plan.users is not None:
        replaced = f"the online features of {plan.users:,} users and {plan.items:,} items"
    told = f"This replaces {replaced} by those of the event log: {plan.logged:,} records"
    if source == "log":
        return f"{told}."
    where = f"the {plan.read:,} in {file}" if file else f"the {plan.read:,} that Kafka holds"
    return f"{told}, and {plan.new:,} of {where}, which are new to it and are added."


@_features.command()
def check(
    context: typer.Context,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many users and items, drawn at random."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold the online features against the event log; nothing is changed.

    Consumers may go on: what the log has beyond the features is left out, and a difference is
    looked at again before it is told. Exit status 1: some features differ.
    """
    settings: Settings = context.obj
    with _told():
        from adloom.feature_store.checking import check_all, check_sample
        from adloom.loop import home

        with (
            home.open_features(settings) as features,
            progress_told(problems, "Checking", "records") as tell,
        ):
            if sample is None:
                checked = check_all(features, tell)
            else:
                checked = check_sample(features, sample, tell)
    if as_json:
        print(json.dumps(_as_json(checked, sample), indent=2))
    else:
        _tell(checked)
    if checked.differing:
        raise typer.Exit(1)


def _as_json(checked: Checked, sample: int | None) -> dict[str, Any]:
    return {
        "equal": not checked.differing,
        "sample": sample,
        "users": checked.users,
        "items": checked.items,
        "records": checked.records,
        "differing": checked.differing,
        "unlisted": checked.unlisted,
        "differences": [
            {
                "of": one.of,
                "name": one.name,
                "features": _plain(one.stored),
                "log": _plain(one.logged),
            }
            for one in checked.differences[:_SHOWN_DIFFERENCES]
        ],
    }


def _plain(features: Any) -> dict[str, Any] | None:
    if features is None:
        return None
    told = {"impressions": features.impressions, "clicks": features.clicks}
    history = getattr(features, "history", None)
    if history is None:
        return told
    moments = [at.isoformat() for at in history.clicked_at]
    clicks = zip(moments, history.item_ids, history.ad_ids, strict=True)
    return told | {"history": [list(click) for click in clicks]}


def _tell(checked: Checked) -> None:
    if checked.unlisted:
        told = "This store lists no rows: what the log has nothing of was not looked for."
        problems.print(told, highlight=False, soft_wrap=True)
    compared = (
        f"{checked.users:,} users and {checked.items:,} items compared with "
        f"{checked.records:,} records of the event log"
    )
    if not checked.differing:
        _console.print(f"{compared}: [green]all equal[/].", highlight=False, soft_wrap=True)
        return
    _console.print(
        f"{compared}: [red]{checked.differing:,} differ[/].", highlight=False, soft_wrap=True
    )
    for one in checked.differences[:_SHOWN_DIFFERENCES]:
        _console.print(_line(one), markup=False, highlight=False, soft_wrap=True)
    if checked.differing > _SHOWN_DIFFERENCES:
        _console.print(
            f"… and {checked.differing - _SHOWN_DIFFERENCES:,} more",
            highlight=False,
            soft_wrap=True,
        )
    _console.print(f"{_REMEDY}.", highlight=False, soft_wrap=True)


def _line(one: Difference) -> str:
    if one.stored is None:
        stored = "a part of the rows is gone"
    else:
        stored = f"{one.stored.impressions:,} impressions, {one.stored.clicks:,} clicks"
    logged = f"{one.logged.impressions:,} impressions, {one.logged.clicks:,} clicks"
    if stored == logged:
        stored, logged = _histories(one)
    return f"{one.of} {one.name}: {stored} in the features; {logged} by the log"


def _histories(one: Difference) -> tuple[str, str]:
    """Where the counts agree, the first click that the histories do not share."""
    sides = [(_plain(side) or {}).get("history", []) for side in (one.stored, one.logged)]
    shared = min(map(len, sides))
    place = next((n for n in range(shared) if sides[0][n] != sides[1][n]), shared)
    told = [" ".join(side[place]).strip() if place < len(side) else "none" for side in sides]
    return f"click {place + 1} of the history is {told[0]}", told[1]


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with files, the log or the store, in one line."""
    from adloom.feature_store.store import ContendedPartition
    from adloom.loop.replay.errors import ClickLogUnavailable
    from adloom.stream.registry import RegistryUnavailable

    with errors_told(ContendedPartition, ClickLogUnavailable, RegistryUnavailable, ValueError):
        yield
