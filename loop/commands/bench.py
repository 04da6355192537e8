"""`adloom bench`: each command prints ratios to a named baseline of the same run."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from adloom.loop.commands.broker import reach_broker
from adloom.loop.commands.errors import errors_told, fail, problems
from adloom.loop.commands.printing import print_table
from adloom.loop.settings import Settings

app = typer.Typer(help="Measure a part beside its baseline.", no_args_is_help=True)

Quick = Annotated[bool, typer.Option("--quick", help="Small: for a first look.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def stream(context: typer.Context, quick: Quick = False, as_json: AsJson = False) -> None:
    """Events a second, against polling alone and against a push for every event.

    On the cluster at kafka.bootstrap_servers, in topics of its own that it removes; without one,
    on a local broker.
    """
    if find_spec("confluent_kafka") is None:
        fail("confluent-kafka is not installed: pip install 'adloom[bench]'")
    settings: Settings = context.obj
    reach_broker(settings.kafka)

    from adloom.loop.bench.stream import bench_stream

    with errors_told(TimeoutError):
        result = bench_stream(settings.kafka, quick=quick)
    _show(result, as_json)


@app.command()
def features(quick: Quick = False, as_json: AsJson = False) -> None:
    """Cost of an event by number of users and length of history; reads against Feast's."""
    from adloom.loop.bench.features import bench_features

    _show(bench_features(quick=quick), as_json)


@app.command()
def log(quick: Quick = False, as_json: AsJson = False) -> None:
    """Time and memory of what reads the event log, by its length; the window stays the same."""
    from adloom.loop.bench.log.run import (
        COMMITS,
        PASSES,
        QUICK_COMMITS,
        QUICK_PASSES,
        QUICK_SIZES,
        QUICK_TIMES,
        SIZES,
        TIMES,
        bench_log,
    )

    def on_step(step: str) -> None:
        problems.print(step, highlight=False, soft_wrap=True)

    sizes, commits = (QUICK_SIZES, QUICK_COMMITS) if quick else (SIZES, COMMITS)
    times, passes = (QUICK_TIMES, QUICK_PASSES) if quick else (TIMES, PASSES)
    _show(bench_log(sizes, commits=commits, times=times, passes=passes, on_step=on_step), as_json)


@app.command()
def retrieval(quick: Quick = False, as_json: AsJson = False) -> None:
    """Cost of a request and of a start by number of products, against one flat index."""
    from adloom.loop.bench.retrieval import bench_retrieval

    _show(bench_retrieval(quick=quick, on_step=_told), as_json)


@app.command()
def generate(
    quick: Quick = False,
    as_json: AsJson = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="A model of the bundled sizes without its weights.")
    ] = False,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape",
            help="A base of these sizes with weights drawn by chance, on a GPU where there is one: "
            "janus-pro-1b, janus-pro-7b, or the folder of a base or checkpoint.",
        ),
    ] = None,
) -> None:
    """Ads a second against decoding as the paper's code does; cost of mixed adapters."""
    if untrained and shape is not None:
        fail("--untrained is a shape too: give --shape or --untrained")
    from adloom.loop.bench.generate import bench_generate, shaped_model

    if shape is not None:
        with errors_told(OSError, ValueError):
            model = shaped_model(shape)
    elif untrained:
        from adloom.loop.demo.pretraining.generator import new_model

        model = new_model(0).eval()
    else:
        from adloom.models.ad_generator import AdGenerator

        model = AdGenerator.from_pretrained().model
    _show(bench_generate(model, quick=quick, on_step=_told), as_json)


def _told(step: str) -> None:
    problems.print(step, highlight=False, soft_wrap=True)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=2))
        return
    table = Table(show_header=False, box=None)
    for name, value in _flat(result):
        table.add_row(name, f"{value:,.3g}" if isinstance(value, float) else str(value))
    print_table(Console(), table)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name} ")
        else:
            found.append((prefix + name, value))
    return found
