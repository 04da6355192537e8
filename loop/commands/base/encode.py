"""`adloom base encode`: a data set in PAd1M's format to shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail_if, problems
from adloom.loop.commands.printing import AsJson, counted
from adloom.loop.commands.stopping import stop_told
from adloom.loop.progress import progress_told
from adloom.loop.settings.out_folder import unwritable_folder
from adloom.models.folders import no_base

if TYPE_CHECKING:
    from adloom.models.datasets.shards import Manifest

app = typer.Typer()
_console = Console()


@app.command()
def encode(
    data: Annotated[Path, typer.Option(help="Records: a JSON list, or one record a line.")],
    pictures: Annotated[Path, typer.Option(help="Folder that the records' paths begin in.")],
    base: Annotated[Path, typer.Option(help="Base that shall learn from it (adloom base build).")],
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    heldout: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of products that are not trained on.")
    ] = 0.05,
    device: Annotated[str | None, typer.Option(help="Such as cuda:1; every GPU if unset.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes; one a GPU if unset.")
    ] = None,
    rows_per_shard: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Encode a data set of clicked ads in PAd1M's format, once, for training and evaluation.

    Pictures become codes of the base. What cannot be used is left out, and listed with its reason
    in left_out.jsonl. After a stop, run it again: it goes on where it was.
    """
    fail_if(
        None if data.is_file() else f"{data}: there is no such file",
        None if pictures.is_dir() else f"{pictures}: there is no such folder of pictures",
        no_base(base),
        unwritable_folder(out),
    )
    from adloom.loop.bases.encode import CannotEncode, Encoding, devices_here, encode_data_set
    from adloom.loop.bases.encoding_plan import OtherEncoding
    from adloom.models.datasets.json_records import DamagedJson
    from adloom.models.datasets.pad1m import Pad1M

    with (
        errors_told(CannotEncode, OtherEncoding, DamagedJson),
        stop_told(lambda: "The same command goes on after the shards that are written"),
        progress_told(problems, "Encoding", "records") as tell,
    ):
        encoding = Encoding(Pad1M(data, pictures), base, out, heldout, rows_per_shard)
        made = encode_data_set(
            encoding, devices_here(device, workers), lambda done, of: tell(done / of, done)
        )
    if as_json:
        print(json.dumps({"out": str(out), **made.model_dump()}, indent=2, ensure_ascii=False))
    else:
        _tell(made, out)
    if made.records and not (made.records.get("train") and made.records.get("heldout")):
        problems.print(
            "One of the two splits is empty, and adloom base train needs both: encode with another "
            "--heldout, into another folder",
            highlight=False,
            soft_wrap=True,
        )


def _tell(made: Manifest, out: Path) -> None:
    splits = ", ".join(f"{count:,} {split}" for split, count in made.records.items())
    shards = counted(made.shards, "shard")
    _console.print(f"{splits or 'No'} records in {shards} in {out}", markup=False, soft_wrap=True)
    if made.left_out:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in made.left_out.items())
        _console.print(
            f"Left out: {reasons}; listed in {out / 'left_out.jsonl'}", markup=False, soft_wrap=True
        )
