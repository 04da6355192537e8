"""`adloom base build`: a base from public checkpoints."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.bases.checkpoint_folders import unusable_folder
from adloom.loop.commands.errors import errors_told, fail_if, problems
from adloom.loop.commands.printing import AsJson, print_fields
from adloom.loop.commands.stopping import BEGINS_ANEW, stop_told
from adloom.loop.settings.out_folder import taken

if TYPE_CHECKING:
    from adloom.loop.bases.build import BuiltBase

app = typer.Typer()
_console = Console()


class Dtype(StrEnum):
    """Of weights on disk."""

    bfloat16 = "bfloat16"
    float16 = "float16"
    float32 = "float32"


@app.command()
def build(
    janus: Annotated[str, typer.Option(help="Janus-Pro checkpoint: a folder, or a hub name.")],
    out: Annotated[Path, typer.Option(help="Folder to write, not there yet.")],
    dinov2: Annotated[
        str, typer.Option(help="DINOv2 checkpoint, which sees the product: the same.")
    ] = "facebook/dinov2-small",
    dtype: Annotated[Dtype, typer.Option(help="Of the weights on disk.")] = Dtype.bfloat16,
    as_json: AsJson = False,
) -> None:
    """Build a base from public checkpoints: Janus-Pro, which writes and draws, and DINOv2.

    The modules that read histories and products start untrained: train it on a data set next.
    """
    fail_if(taken(out), unusable_folder(janus), unusable_folder(dinov2))
    from adloom.loop.bases.build import CannotBuild, build_base
    from adloom.loop.bases.sources import BadCheckpoint

    def say(what: str) -> None:
        problems.print(what, markup=False, highlight=False, soft_wrap=True)

    with errors_told(BadCheckpoint, CannotBuild), stop_told(lambda: BEGINS_ANEW):
        built = build_base(janus, dinov2, out, dtype=dtype.value, say=say)
    if as_json:
        print(built.model_dump_json(indent=2))
    else:
        _tell(built)


def _tell(built: BuiltBase) -> None:
    parameters = " + ".join(f"{count:,} {name}" for name, count in built.parameters.items())
    print_fields(
        _console,
        {
            "Base": built.out,
            "Size": f"{built.bytes / 2**20:,.0f} MiB in {built.dtype}",
            "Parameters": parameters,
            "Language model": f"{built.layers} layers of width {built.width}",
            "Vocabulary": f"{built.vocabulary:,}",
            "Pictures": f"{built.picture_size} px, {built.image_tokens} tokens",
            "History pictures": f"{built.history_picture_tokens} tokens",
            "Codebook": f"{built.codebook:,} codes, {built.codebook_name}",
        },
    )
