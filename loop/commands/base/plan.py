"""`adloom base plan`: the memory that training and serving will need, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.bases.checkpoint_folders import unusable_folder
from adloom.loop.commands.base.train import Stage
from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson, print_table
from adloom.models.settings import MOST_RANK
from adloom.models.training.base.plan import MOST_ADS

if TYPE_CHECKING:
    from rich.table import Table

    from adloom.loop.bases.memory_plan import Footprint, MemoryPlan

app = typer.Typer()
_console = Console()
_GIB = 2**30
_SIZES = ("1b", "7b")
_MOST_ROWS = 256  # as generator.batch_size


@app.command()
def plan(
    janus: Annotated[
        str,
        typer.Option(
            help="1b or 7b, Janus-Pro's sizes; or a checkpoint or base, whose config.json is read."
        ),
    ],
    gpus: Annotated[int, typer.Option(min=1, max=1_000_000, help="GPUs that train.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="Of each GPU, such as 80GB (10^9 bytes) or 80GiB.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_ADS, help="Ads a GPU learns from at a time.")
    ] = 4,
    stage: Annotated[Stage, typer.Option(help="Of the training.")] = Stage.personal,
    rank: Annotated[int, typer.Option(min=1, max=MOST_RANK, help="Of LoRA.")] = 16,
    freeze_dinov2: Annotated[
        bool, typer.Option("--freeze-dinov2", help="DINOv2 stays as it is.")
    ] = False,
    ema: Annotated[bool, typer.Option("--ema", help="With averaged weights.")] = False,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Activations are computed twice, not kept.")
    ] = False,
    rows: Annotated[
        int, typer.Option(min=1, max=_MOST_ROWS, help="Ads that are drawn at a time.")
    ] = 16,
    as_json: AsJson = False,
) -> None:
    """Tell the memory that a base needs to be trained and to be served, by part, for each GPU.

    No weight is loaded: shapes are enough. Training is told as every GPU has all weights (DDP)
    and as they are shared out by layers of the language model (FSDP), on bfloat16 GPUs, with the
    longest texts and histories. With --memory it says whether that fits, and what would.
    """
    room = None if memory is None else _bytes(memory)
    if janus.lower() not in _SIZES:
        fail_if(unusable_folder(janus, weights=False))
    from adloom.loop.bases.memory_plan import plan_memory
    from adloom.loop.bases.sources import BadCheckpoint, sizes_told
    from adloom.models.bare_model import BaseShape
    from adloom.models.training.base.plan import BasePlan

    def say(what: str) -> None:
        problems.print(what, markup=False, highlight=False, soft_wrap=True)

    training = BasePlan(
        stage=stage.value,
        batch=batch,
        rank=rank,
        dinov2_rate=0.0 if freeze_dinov2 else 1e-5,
        ema=0.999 if ema else 0.0,
        checkpointing=checkpointing,
    )
    with errors_told(BadCheckpoint), sizes_told(janus):
        shape = BaseShape.of(janus)
        found = plan_memory(shape, training, gpus=gpus, rows=rows, memory=room, say=say)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        _tell(found, rows)


def _bytes(written: str) -> int:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        found = TypeAdapter(ByteSize).validate_python(written)
    except ValidationError:
        found = None
    if not found or not written.strip()[-1].isalpha():  # a bare number would be bytes
        fail(f"--memory {written}: write it as 80GB or 80GiB")
    return found


def _tell(found: MemoryPlan, rows: int) -> None:
    names = {"ddp": "DDP", "fsdp": "FSDP"} if found.gpus > 1 else {"ddp": "1 GPU"}
    print_table(
        _console, _table("Training", {names[way]: of for way, of in found.training.items()})
    )
    print_table(_console, _table("Serving", {f"{rows} rows": found.serving}))
    if found.memory is not None:
        _console.print(_verdict(found), markup=False, highlight=False, soft_wrap=True)


def _table(title: str, columns: dict[str, Footprint]) -> Table:
    from rich.table import Table

    table = Table(title, *columns, box=None, padding=(0, 2, 0, 0))
    for column in table.columns[1:]:
        column.justify = "right"
    parts = dict.fromkeys(part for of in columns.values() for part in of.parts)
    for part in parts:
        sizes = (of.parts.get(part) for of in columns.values())
        table.add_row(part, *("" if size is None else _gib(size) for size in sizes))
    table.add_row("in all", *(_gib(of.total) for of in columns.values()), style="bold")
    return table


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"


def _verdict(found: MemoryPlan) -> str:
    fitting = [way.upper() for way, of in found.training.items() if of.fits]
    if not fitting:
        training = f"does not fit: {found.advice or 'no option makes it'}"
        training += " would" if found.advice else ""
    else:
        training = f"fits by {' and '.join(fitting)}" if found.gpus > 1 else "fits"
    serving = "fits" if found.serving.fits else "does not fit"
    if not found.serving.fits and found.rows is not None:
        serving += f": --rows {found.rows} would"
    return f"Training {training}. Serving {serving}."
