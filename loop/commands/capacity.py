"""`adloom capacity`: what a load takes, on paper, from figures that were measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from adloom.loop.commands.errors import errors_told, fail
from adloom.loop.commands.printing import AsJson, print_table
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.capacity.reckoning import Need

app = typer.Typer()
_console = Console()
_MOST = 1e15


@app.command()
def capacity(
    context: typer.Context,
    users: Annotated[float, typer.Option(min=1, max=_MOST, help="With a history, such as 1e8.")],
    events_per_day: Annotated[
        float, typer.Option(min=1, max=_MOST, help="Of all kinds, such as 1e9.")
    ],
    ads_per_day: Annotated[float, typer.Option(min=1, max=_MOST, help="That are drawn.")],
    peak: Annotated[
        float, typer.Option(min=1, max=1_000, help="The busiest second over the mean one.")
    ] = 3.0,
    headroom: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of a measured rate to plan with.")
    ] = 0.7,
    replication: Annotated[int, typer.Option(min=1, max=10, help="Copies in Kafka.")] = 3,
    redis_copies: Annotated[
        int, typer.Option(min=1, max=10, help="Primary and replicas of the online store.")
    ] = 2,
    kafka_days: Annotated[float, typer.Option(min=0, max=36_500, help="Kept in Kafka.")] = 7.0,
    log_days: Annotated[
        float, typer.Option(min=0, max=36_500, help="Kept in the log and the database.")
    ] = 365.0,
    picture_days: Annotated[float, typer.Option(min=0, max=36_500, help="Pictures kept.")] = 30.0,
    redis_gb: Annotated[float, typer.Option(min=0.1, max=1e6, help="Memory of one.")] = 64.0,
    database_gb: Annotated[float, typer.Option(min=1, max=1e9, help="Its disk.")] = 4_000.0,
    shape: Annotated[
        str, typer.Option(help="Of the base: demo (on CPUs), janus-pro-1b, janus-pro-7b.")
    ] = "janus-pro-1b",
    gpus: Annotated[
        int | None, typer.Option(min=1, help="Servers that draw; left out: as many as it takes.")
    ] = None,
    figures: Annotated[
        list[Path] | None,
        typer.Option("--figures", help="JSON of your own adloom bench runs; can be given again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reckon what a load takes: consumers, partitions, bytes, servers; and the first wall.

    From figures that were measured, each told with its machine and command. What a GPU needs of
    memory: adloom base plan.
    """
    from adloom.loop.capacity.figures import (
        UnknownFigures,
        drawing,
        figures_in,
        own_figures,
        shapes,
    )
    from adloom.loop.capacity.reckoning import Load, first_wall, reckon

    settings: Settings = context.obj
    known = own_figures()
    with errors_told(UnknownFigures):
        for file in figures or ():
            known |= figures_in(file, shape)
    if drawing(shape) not in known:
        fail(
            f"--shape {shape}: there are figures of {', '.join(shapes(known))}; measure others "
            "by adloom bench generate --shape FOLDER --json, and give them by --figures"
        )
    load = Load(
        users,
        events_per_day,
        ads_per_day,
        peak,
        headroom,
        replication,
        redis_copies,
        kafka_days,
        log_days,
        picture_days,
        redis_gb,
        database_gb,
        max(settings.log.commit_seconds, 0.1),
        shape,
        gpus,
    )
    needs = reckon(load, known)
    wall = first_wall(needs)
    if as_json:
        told = [
            asdict(one) | {"figure": one.figure.model_dump(), "utilisation": one.utilisation}
            for one in needs
        ]
        at = {"part": wall.part, "utilisation": wall.utilisation}
        print(json.dumps({"load": asdict(load), "needs": told, "first_wall": at}, indent=2))
        return
    _tell(needs, wall)


def _tell(needs: list[Need], wall: Need) -> None:
    number = Column("Takes", justify="right")
    share = Column("Of the most", justify="right")
    table = Table("Part", number, share, "Reckoned", "From", box=None, padding=(0, 2, 0, 0))
    for need in needs:
        figure = need.figure
        full = need.utilisation
        table.add_row(
            need.part,
            f"{_short(need.amount)} {need.unit}",
            "" if full is None else f"{_percent(full)} of {_short(need.most or 0)}",
            need.how,
            f"{figure.value:,.5g} {figure.unit}: {figure.command}, {figure.machine}, "
            f"{figure.measured}",
        )
    print_table(_console, table)
    full, most = wall.utilisation or 0.0, f"{_short(wall.most or 0)} {wall.unit}"
    _console.print(
        f"\nThe first wall: {wall.part}, at {_percent(full)} of {most} ({wall.why_most}). "
        + ("All of it fits." if full <= 1 else "It does not fit."),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.2g}"


def _percent(share: float) -> str:
    return f"{share:,.0%}" if share >= 0.01 else f"{share:.1%}"
