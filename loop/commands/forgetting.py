"""`adloom forget` and `adloom retention`: users, and what is old, go from all that is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail, problems
from adloom.loop.commands.printing import AsJson, counted, print_fields
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.forgetting.report import Report

app = typer.Typer()
_console = Console()

_MOST_BYTES = 64 << 20
_MOST_CHARACTERS = 128


@app.command()
def forget(
    context: typer.Context,
    users: Annotated[
        list[str] | None, typer.Argument(help="Ids of users.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Ids of users, one a line, beside those given.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what there is, and change nothing.")
    ] = False,
    opt_out: Annotated[
        bool, typer.Option("--opt-out", help="Take in none of their events afterwards either.")
    ] = False,
    opt_in: Annotated[
        bool, typer.Option("--opt-in", help="End an opt-out: events from now on count again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase users: features, log, plans of rounds, ads that they alone saw, dead letters, topics.

    Servers and consumers may run on; they take in no event of the user from before the end of
    this. Killed, it is complete once it is run again. Exit status 1: something is left, which is
    told; run it again once that is seen to.
    """
    from adloom.feature_store.backend import LogUnavailable
    from adloom.loop.forgetting.forget import forget as erase
    from adloom.loop.forgetting.forget import what_is_kept
    from adloom.loop.forgetting.kept import opened
    from adloom.loop.privacy.reading import ReadersBusy
    from adloom.stream.producer import DeliveryFailed

    settings: Settings = context.obj
    names = _names(users or [], file)
    if opt_in and (opt_out or dry_run):
        fail("--opt-in erases nothing: give it alone")
    if opt_in:
        _opt_in(settings, names)
        return
    with errors_told(ReadersBusy, DeliveryFailed, LogUnavailable), opened(settings) as kept:
        if dry_run:
            report = what_is_kept(kept, names)
        else:
            who = counted(len(names), "user")
            asked = f"This erases {who}; what goes cannot be brought back. Go on?"
            if not yes and sys.stdin.isatty() and not typer.confirm(asked, err=True):
                fail("nothing was changed")
            report = erase(kept, names, opt_out=True if opt_out else None)
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        _print(report)
    if not report.complete:
        raise typer.Exit(1)


def _names(users: list[str], file: Path | None) -> list[str]:
    names = [(f"id {number}", name) for number, name in enumerate(users, start=1)]
    if file is not None:
        if not file.is_file():
            fail(f"{file}: no such file of user ids")
        if file.stat().st_size > _MOST_BYTES:
            fail(f"{file}: more than {_MOST_BYTES >> 20} MiB; give it in parts")
        try:
            lines = enumerate(file.read_text("utf-8").splitlines(), start=1)
            names += [(f"{file}, line {number}", line) for number, line in lines if line]
        except UnicodeDecodeError:
            fail(f"{file}: no text in UTF-8")
    for place, name in names:
        if not 0 < len(name) <= _MOST_CHARACTERS:
            fail(f"{place}: this is no id of a user: 1 to {_MOST_CHARACTERS} characters")
    if not names:
        fail("whom? give ids of users, or --file")
    return list(dict.fromkeys(name for _, name in names))


def _opt_in(settings: Settings, names: list[str]) -> None:
    from adloom.loop.database.opening import open_database
    from adloom.loop.privacy.tombstones import Tombstones

    engine = open_database(settings.home, settings.database)
    try:
        table = Tombstones(engine)
        hashes = table.names()
        busy = [name for name in names if not table.opt_in(hashes.of(name))]
    finally:
        engine.dispose()
    if busy:
        fail(f"{counted(len(busy), 'user')} not erased to the end yet: run adloom forget again")
    _console.print(f"Events of {counted(len(names), 'user')} count from now on.", soft_wrap=True)


def _print(report: Report) -> None:
    events = ", ".join(f"{number:,} {kind}s" for kind, number in sorted(report.events.items()))
    fields = {
        "Users": f"{report.users:,}",
        "Events in the log": events or "none",
        "Ads that nobody else saw": f"{report.creatives:,}",
        "Exposures not logged": f"{report.exposures:,}",
        "Dead letters": f"{report.dead_letters:,}",
        "Rounds with their clicks": [str(number) for number in report.rounds] or "none",
        "Versions that learned from them": [str(number) for number in report.versions] or "none",
    }
    if report.rounds_given_up:
        fields["Rounds given up"] = [str(number) for number in report.rounds_given_up]
    for topic in report.topics:
        until = "" if topic.until is None else f" (until {topic.until:%Y-%m-%d %H:%M} UTC)"
        fields[topic.topic] = topic.state if not topic.why else f"waits{until}: {topic.why}"
    print_fields(_console, fields)
    for note in report.notes:
        problems.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
    for why in report.waits:
        problems.print(f"Not complete: {why}", markup=False, highlight=False, soft_wrap=True)
    if report.dry_run:
        _console.print("Nothing was changed.", soft_wrap=True)
    elif report.complete:
        _console.print("They are forgotten.", soft_wrap=True)


@app.command()
def retention(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what is too old, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase what is older than `privacy.retention_days`; run it once a day.

    Servers and consumers may run on: they take in nothing that is older. Exit status 1: something
    is left, which is told.
    """
    from adloom.feature_store.backend import LogUnavailable
    from adloom.loop.forgetting.kept import opened
    from adloom.loop.forgetting.retention import expire

    settings: Settings = context.obj
    days = settings.privacy.retention_days
    if days is None:
        fail("privacy.retention_days is not set: all is kept for ever")
    with errors_told(LogUnavailable), opened(settings) as kept:
        expired = expire(kept, days, dry_run=dry_run)
    if as_json:
        print(expired.model_dump_json(indent=2))
    else:
        fields = {
            "From before": f"{expired.before:%Y-%m-%d} UTC",
            "Events": f"{expired.events:,}",
            "Ads, pictures": f"{expired.creatives:,}, {expired.pictures:,}",
            "Exposures not logged": f"{expired.exposures:,}",
            "Plans of rounds": f"{expired.plans:,}",
            "Topics that keep no more": expired.topics or "none",
        }
        print_fields(_console, fields)
        for why in expired.waits:
            problems.print(f"Not complete: {why}", markup=False, highlight=False, soft_wrap=True)
        _console.print("Nothing was changed." if dry_run else "That is gone.", soft_wrap=True)
    if not expired.complete:
        raise typer.Exit(1)
